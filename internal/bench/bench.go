// Package bench measures a subject and a reference in the same run and compares them. On a shared machine ratios mean more than absolute
// times. The benchmarks of `make bench` call it.
package bench

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

const (
	rounds = 15                     // how many times each load is measured; medians are compared
	slice  = 350 * time.Millisecond // how long a load runs in each round
)

// Load works until stop reports true, and returns the number of operations it did. It is called several times.
type Load func(stop func() bool) (operations int)

// Compare measures reference and subject in turns. They swap order every round, because the machine's other load changes. It reports the
// median rate of each, the median over all rounds of the ratio of subject to reference, and the memory that one operation of the subject
// allocates (in the whole process, so it includes the load's own). If the ratio is below floor, the benchmark fails.
func Compare(b *testing.B, floor float64, reference, subject Load) {
	b.Helper()
	loads := [2]Load{reference, subject}
	var rates [2][]float64
	var ratios []float64
	var allocs, bytes, operations float64
	for round := range rounds + 1 {
		var measured [2]sample
		for i := range loads {
			i = (i + round) % 2
			measured[i] = measure(loads[i])
		}
		if round == 0 {
			continue // it has warmed up
		}
		reference, subject := measured[0], measured[1]
		rates[0], rates[1], ratios = append(rates[0], reference.rate), append(rates[1], subject.rate), append(ratios, subject.rate/reference.rate)
		allocs, bytes, operations = allocs+subject.allocs, bytes+subject.bytes, operations+subject.operations
	}
	ratio := Median(ratios)
	for name, value := range map[string]float64{
		"ns/op":       0, // hides ns/op, which means nothing here
		"reference/s": Median(rates[0]), "subject/s": Median(rates[1]), "allocs/op": allocs / operations, "B/op": bytes / operations, "ratio": ratio, "floor": floor,
	} {
		b.ReportMetric(value, name)
	}
	if ratio < floor {
		b.Errorf("ratio %.3f is below the floor of %.2f: %.0f/s, the reference has %.0f/s", ratio, floor, Median(rates[1]), Median(rates[0]))
	}
}

// Median returns the middle of values, which must not be empty.
func Median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

type sample struct{ rate, operations, allocs, bytes float64 }

func measure(load Load) sample {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	operations := float64(load(func() bool { return time.Since(start) >= slice }))
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	return sample{operations / elapsed.Seconds(), operations, float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)}
}
