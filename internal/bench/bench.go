// Package bench measures a subject and a reference in the same run and compares them. On a shared machine ratios mean more than absolute
// times. The benchmarks of `make bench` call it.
package bench

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// Rounds is how many times each load is measured, alternating with the others. Medians are compared.
const Rounds = 15

// Slice is how long a load runs in each round.
const Slice = 350 * time.Millisecond

// Load works until stop reports true, and returns the number of operations it did. It is called several times.
type Load func(stop func() bool) (operations int)

// Beside is a further load that is measured in the same rounds, without a floor.
type Beside struct {
	Name string // one word, used in the names of metrics
	Load Load
}

// Compare measures reference, subject and beside in turns. Reference and subject follow each other directly and swap order every round, because
// the machine's other load changes. It reports the median rate of each, the median over all rounds of the ratio of subject to each other
// load, and the memory that one operation of the subject allocates (in the whole process, so it includes the load's own). If the ratio to the
// reference is below floor, the benchmark fails.
func Compare(b *testing.B, floor float64, reference, subject Load, beside ...Beside) {
	b.Helper()
	loads := append([]Beside{{Name: "reference", Load: reference}, {Name: "subject", Load: subject}}, beside...)
	for _, load := range loads { // warm up
		measure(load.Load)
	}
	rates, ratios := make([][]float64, len(loads)), make([][]float64, len(loads))
	var allocs, bytes, operations float64
	for round := range Rounds {
		measured := make([]sample, len(loads))
		for i := range loads {
			if i < 2 {
				i = (i + round) % 2
			}
			measured[i] = measure(loads[i].Load)
		}
		subject := measured[1]
		allocs, bytes, operations = allocs+subject.allocs, bytes+subject.bytes, operations+subject.operations
		for i, load := range measured {
			rates[i], ratios[i] = append(rates[i], load.rate), append(ratios[i], subject.rate/load.rate)
		}
	}
	b.ReportMetric(0, "ns/op") // hides ns/op, which means nothing here
	for i, load := range loads {
		b.ReportMetric(Median(rates[i]), load.Name+"/s")
		if i > 1 {
			b.ReportMetric(Median(ratios[i]), "ratio-to-"+load.Name)
		}
	}
	b.ReportMetric(allocs/operations, "allocs/op")
	b.ReportMetric(bytes/operations, "B/op")
	ratio := Median(ratios[0])
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(floor, "floor")
	if ratio < floor {
		b.Errorf("ratio %.3f is below the floor of %.2f: %.0f/s, the reference has %.0f/s", ratio, floor, Median(rates[1]), Median(rates[0]))
	}
}

// Median returns the middle of values, which must not be empty.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

type sample struct{ rate, operations, allocs, bytes float64 }

func measure(load Load) sample {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	end := start.Add(Slice)
	operations := float64(load(func() bool { return !time.Now().Before(end) }))
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	return sample{operations / elapsed.Seconds(), operations, float64(after.Mallocs - before.Mallocs), float64(after.TotalAlloc - before.TotalAlloc)}
}
