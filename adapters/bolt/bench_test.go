package bolt_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/bench"
)

// BenchmarkAppend compares entries of one update, of a batch of some hundred, and of 10,000 updates with a file to which the same bytes are
// appended, synced each time. bbolt syncs twice.
func BenchmarkAppend(b *testing.B) {
	for size, floor := range map[int]float64{150: 0.3, 40_000: 0.25, 1_000_000: 0.25} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			dir := b.TempDir()
			s, err := startWith(b, open(b, filepath.Join(dir, "store")), &tape{counts: true, caughtUp: make(chan struct{})})
			if err != nil {
				b.Fatal(err)
			}
			entry := text(0, size)
			file, err := os.Create(filepath.Join(dir, "reference"))
			if err != nil {
				b.Fatal(err)
			}
			defer file.Close()
			reference := func() error {
				if _, err := file.Write(entry); err != nil {
					return err
				}
				return syscall.Fdatasync(int(file.Fd()))
			}
			bench.Compare(b, floor, load(b, reference), load(b, func() error { return s.Append(b.Context(), entry) }))
		})
	}
}

func load(b *testing.B, operation func() error) bench.Load {
	return func(stop func() bool) (operations int) {
		for ; !stop(); operations++ {
			if err := operation(); err != nil {
				b.Fatal(err)
			}
		}
		return operations
	}
}

// BenchmarkAppendDuringSnapshot tells how long an Append of one update waits while a snapshot of 150 MB is written beside it, and while nothing is.
func BenchmarkAppendDuringSnapshot(b *testing.B) {
	s, err := startWith(b, open(b, filepath.Join(b.TempDir(), "store")), &tape{counts: true, caughtUp: make(chan struct{})})
	if err != nil {
		b.Fatal(err)
	}
	for range 5000 {
		s.append(b, string(text(0, 150)))
	}
	alone := latencies(b, s, func(n int) bool { return n < 2000 })
	done := make(chan error, 1)
	go func() { done <- s.Snapshot(b.Context(), 5000, give(150, 1<<20)) }()
	var failed error
	during := latencies(b, s, func(int) bool {
		select {
		case failed = <-done:
			return false
		default:
			return true
		}
	})
	if failed != nil {
		b.Fatal(failed)
	}
	b.ReportMetric(0, "ns/op")
	for name, all := range map[string][]time.Duration{"alone": alone, "during": during} {
		b.ReportMetric(float64(all[len(all)/2].Microseconds()), name+"-p50-µs")
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), name+"-p99-µs")
		b.ReportMetric(float64(all[len(all)-1].Microseconds()), name+"-max-µs")
	}
}

// latencies appends as long as more allows, and returns how long each one took, the shortest first.
func latencies(b *testing.B, s *started, more func(done int) bool) (all []time.Duration) {
	entry := text(0, 150)
	for more(len(all)) {
		began := time.Now()
		if err := s.Append(b.Context(), entry); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all
}
