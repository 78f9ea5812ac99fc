package nats_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

func opened(b *testing.B, cfg nats.Config) *nats.Store {
	b.Helper()
	s := nats.New(cfg, slog.New(slog.DiscardHandler))
	if err := s.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Stop(context.Background()) })
	return s
}

// BenchmarkStart fills a store with a million users on two protocols, and reports how long the next start takes, what a user takes in memory
// (ids and messages included: 29 and 12 bytes each) and on the disk.
func BenchmarkStart(b *testing.B) {
	const users = 1_000_000
	cfg := nats.DefaultConfig()
	cfg.Dir = b.TempDir()
	fill(b, cfg, users)
	before := settled()
	began := time.Now()
	again := opened(b, cfg)
	took := time.Since(began)
	after := settled()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took.Seconds(), "s-start")
	b.ReportMetric(float64(after-before)/users, "B-memory/user")
	b.ReportMetric(float64(size(b, cfg.Dir))/users, "B-disk/user")
	if n := len(image(again)); n != 2*users {
		b.Errorf("%d presences, want %d", n, 2*users)
	}
}

// fill puts users on two protocols into a store.
func fill(b *testing.B, cfg nats.Config, users int) {
	b.Helper()
	const together = 500
	s := opened(b, cfg)
	moment := now()
	for first := 0; first < users; first += together {
		var writes []ports.Write
		for i := first; i < first+together; i++ {
			user := domain.UserID(fmt.Sprintf("user%07d@mail.example.test", i))
			for _, protocol := range []domain.Protocol{chat, web} {
				none := domain.Presence{Protocol: protocol}
				writes = append(writes, ports.Write{User: user, Old: none, New: none.Observe(domain.Busy, "in a meeting", domain.ExpiryPolicy{After: time.Hour}, moment)})
			}
		}
		if err := s.Apply(context.Background(), writes); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// settled returns how much memory is in use when that does not shrink any more: for a while after loading a snapshot may be under way.
func settled() int64 {
	last := heap()
	for {
		time.Sleep(2 * time.Second)
		now := heap()
		if now > last-last/100 {
			return now
		}
		last = now
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func size(b *testing.B, dir string) (total int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return total
}

// BenchmarkPut writes one presence at a time, from as many goroutines.
func BenchmarkPut(b *testing.B) {
	for _, sync := range []string{"system", "always"} {
		for _, writers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("sync=%s/writers=%d", sync, writers), func(b *testing.B) {
				cfg := nats.DefaultConfig()
				cfg.Dir, cfg.Sync = b.TempDir(), sync
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(puts(b, opened(b, cfg), writers), "puts/s")
			})
		}
	}
}

// puts returns how many puts a second so many goroutines achieve.
func puts(b *testing.B, s ports.Store, writers int) float64 {
	b.Helper()
	const measured = 2 * time.Second
	var done atomic.Int64
	var writing sync.WaitGroup
	end := time.Now().Add(measured)
	for w := range writers {
		writing.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				user := domain.UserID(fmt.Sprintf("user%03d-%03d@mail.example.test", w, i%100))
				old, _ := s.Presences(user).On(web)
				next := old.Observe(domain.Status(1+i/100%3), "in a meeting", domain.ExpiryPolicy{After: time.Hour}, now())
				if err := s.Apply(context.Background(), []ports.Write{{User: user, Old: old, New: next}}); err != nil {
					b.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	writing.Wait()
	return float64(done.Load()) / measured.Seconds()
}
