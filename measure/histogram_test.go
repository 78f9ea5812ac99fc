package measure_test

import (
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/measure"
)

func TestHistogram(t *testing.T) {
	var h measure.Histogram
	for _, d := range []time.Duration{-time.Second, 0, 100 * time.Microsecond, 101 * time.Microsecond, 10 * time.Second, time.Hour} {
		h.Observe(d)
	}
	got := h.Read()
	if got.Count != 6 || got.Sum != time.Hour+10*time.Second+201*time.Microsecond {
		t.Errorf("counted %d, %v in all", got.Count, got.Sum)
	}
	if got.Within[0] != 3 || got.Within[1] != 4 || got.Within[len(measure.Bounds)-1] != 5 {
		t.Errorf("by bounds: %v", got.Within)
	}
}

func TestConcurrentObservations(t *testing.T) {
	var h measure.Histogram
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				h.Observe(time.Millisecond)
			}
		})
	}
	all.Wait()
	if got := h.Read(); got.Count != 4000 || got.Sum != 4*time.Second {
		t.Errorf("counted %d, %v in all", got.Count, got.Sum)
	}
}

func TestObservingAllocatesNothing(t *testing.T) {
	var h measure.Histogram
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
