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

// TestNobodyWaitsForABurstToComeAgain: who writes just after others waits for them no longer than the journal takes for an entry, and after many
// some two milliseconds.
func TestNobodyWaitsForABurstToComeAgain(t *testing.T) {
	const takes = 300 * time.Microsecond
	for burst, most := range map[int]time.Duration{4: 2 * takes, 400: 2*takes + 2*time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			s := coretest.StartOver(t, &slow{Journal: memory.NewJournal(), takes: takes}, clock.New())
			var all sync.WaitGroup
			for i := range burst {
				all.Go(func() { set(t, s, numbered(i), web, domain.Busy, "") })
			}
			all.Wait()
			began := time.Now()
			set(t, s, alice, web, domain.Busy, "")
			if took := time.Since(began); took > most {
				t.Errorf("after %d others it took %v, want at most %v", burst, took, most)
			}
		})
	}
}
