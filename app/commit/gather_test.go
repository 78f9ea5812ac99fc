package commit_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// slow is a journal that takes its time for each entry.
type slow struct {
	ports.Journal
	takes time.Duration
}

func (s *slow) Append(ctx context.Context, entry []byte) error {
	time.Sleep(s.takes)
	return s.Journal.Append(ctx, entry)
}

// TestNobodyWaitsForABurstToComeAgain: who writes just after many others waits for them no longer than the journal takes for an entry.
func TestNobodyWaitsForABurstToComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := &slow{Journal: memory.NewJournal(), takes: 300 * time.Microsecond}
		s := coretest.StartOver(t, journal, clock.New())
		var burst sync.WaitGroup
		for i := range 400 {
			burst.Go(func() { set(t, s, numbered(i), web, domain.Busy, "") })
		}
		burst.Wait()
		began := time.Now()
		set(t, s, alice, web, domain.Busy, "")
		if took := time.Since(began); took > 2*journal.takes {
			t.Errorf("took %v, want at most %v", took, 2*journal.takes)
		}
	})
}
