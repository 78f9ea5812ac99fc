package events_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http/internal/events"
	"github.com/zarafa/presence/domain"
)

// entitled is a right that a test takes away.
type entitled struct {
	revoked atomic.Bool
	until   atomic.Int64 // a domain.Timestamp
}

func (e *entitled) ask() (domain.Principal, error) {
	if e.revoked.Load() {
		return domain.Principal{}, errors.New("made with another secret")
	}
	return domain.Principal{Until: domain.Timestamp(e.until.Load())}, nil
}

// untilEvent reads up to an event, and returns its data.
func untilEvent(t *testing.T, r *reader, name string) string {
	t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		e, err := r.take()
		if err != nil {
			t.Fatalf("waiting for %s: %v", name, err)
		}
		if e.name == name {
			return e.data
		}
	}
}

// Who may have no stream any more is told its end, and nobody else; so is who was admitted by the old rules and begins by the new ones.
func TestRecheck(t *testing.T) {
	w := newWorld(t)
	var lost, kept entitled
	kept.until.Store(int64(clock.New().Now().Add(time.Hour)))
	lost.until.Store(kept.until.Load())
	subscribe := func(e *entitled) *reader {
		return w.subscribe(events.Subscription{Users: []domain.UserID{"anna@example.test"}, Entitled: e.ask}, false)
	}
	one, other, plain := subscribe(&lost), subscribe(&kept), w.everybody()
	for _, r := range []*reader{one, other, plain} {
		untilEvent(t, r, "ready")
	}
	w.hub.Recheck() // nothing has changed
	lost.revoked.Store(true)
	w.hub.Recheck()
	if data := untilEvent(t, one, "end"); data != `{"reason":"expired"}` {
		t.Errorf("the end is %s", data)
	}
	if _, err := one.take(); err == nil {
		t.Error("the stream goes on after its end")
	}
	untilEvent(t, subscribe(&lost), "end")
	w.set("anna@example.test", domain.MustProtocol("spreed"), domain.Busy, "", 0)
	untilEvent(t, other, "presence")
	untilEvent(t, plain, "presence")

	kept.until.Store(int64(clock.New().Now())) // tokens hold for less long
	w.hub.Recheck()
	untilEvent(t, other, "end")
}

// After Renew everybody is told everything anew; without any subscriber nothing happens.
func TestRenew(t *testing.T) {
	w := newWorld(t)
	w.hub.Renew()
	w.set("anna@example.test", domain.MustProtocol("spreed"), domain.Busy, "", 0)
	r := w.everybody()
	untilEvent(t, r, "ready")
	w.hub.Renew()
	untilEvent(t, r, "reset")
	untilEvent(t, r, "presence")
	w.set("bea@example.test", domain.MustProtocol("spreed"), domain.Busy, "", 0)
	untilEvent(t, r, "presence")
}
