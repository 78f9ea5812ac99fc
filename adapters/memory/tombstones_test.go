package memory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// comeAndGo lets so many users come and go again, one after the other.
func comeAndGo(t *testing.T, s ports.Store, users int) {
	t.Helper()
	chat := domain.MustProtocol("chat")
	for i := range users {
		user := domain.UserID(fmt.Sprintf("user%d@example.test", i))
		none := domain.Presence{Protocol: chat}
		there := none.Observe(domain.Busy, "", domain.ExpiryPolicy{}, 1)
		if err := s.Apply(t.Context(), []ports.Write{{User: user, Old: none, New: there}}); err != nil {
			t.Fatal(err)
		}
		there, _ = s.Presences(user).On(chat)
		if err := s.Apply(t.Context(), []ports.Write{{User: user, Old: there, New: there.Remove(2)}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOnlySoManyRemovalsAreRemembered: a watch that goes on from before what was dropped ends, so that its reader begins anew; any
// other misses nothing.
func TestOnlySoManyRemovalsAreRemembered(t *testing.T) {
	const users = 100_001 // one more than are remembered
	s := memory.New()
	comeAndGo(t, s, users)
	old := s.Watch(1)
	defer old.Close()
	if changes, err := old.Next(t.Context()); !errors.Is(err, ports.ErrCompacted) {
		t.Errorf("a watch from before what is remembered: %d changes, %v; want ErrCompacted", len(changes), err)
	}
	const late = 2*users - 200
	recent := s.Watch(late)
	defer recent.Close()
	changes, err := recent.Next(t.Context())
	if err != nil || len(changes) != 100 || changes[0].Presence.Revision != late+2 {
		t.Errorf("a watch from lately: %d changes, %v; want the last 100", len(changes), err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	fresh := s.Watch(0)
	defer fresh.Close()
	if changes, err := fresh.Next(ended); len(changes) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("a watch from the beginning: %d changes, %v; want none", len(changes), err)
	}
}
