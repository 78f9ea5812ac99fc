package commit_test

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zarafa/presence/adapters/bolt"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// BenchmarkApply has many callers write at once, each one presence after the other: what a PUT costs without HTTP.
func BenchmarkApply(b *testing.B) {
	for _, kind := range []string{"memory", "bolt"} {
		for _, callers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("%s/%d", kind, callers), func(b *testing.B) { benchmarkApply(b, benchJournal(b, kind), callers) })
		}
	}
}

func benchJournal(b *testing.B, kind string) ports.Journal {
	b.Helper()
	if kind == "memory" {
		return memory.NewJournal()
	}
	journal, err := bolt.New(bolt.Config{Dir: filepath.Join(b.TempDir(), "store")}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	return journal
}

func benchmarkApply(b *testing.B, journal ports.Journal, callers int) {
	core := coretest.StartOver(b, journal, clock.New())
	b.ReportAllocs()
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for caller := range callers {
		all.Go(func() {
			for i := 0; next.Add(1) <= int64(b.N); i++ {
				user, status := numbered(caller+i%150*callers), domain.Status(1+i/150%2)
				err := core.Writer.Apply(b.Context(), func(writes []image.Write) ([]image.Write, error) {
					old, _ := core.Image.Presences(user).On(web)
					return append(writes, image.Write{User: user, Old: old, New: old.Observe(domain.Shown{Status: status, Message: "in a meeting"}, domain.ExpiryPolicy{}, moment)}), nil
				})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}
