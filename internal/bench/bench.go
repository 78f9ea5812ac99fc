// Package bench compares what the project measures with a reference measured in the same run: absolute times say little on a
// shared machine, ratios do. The benchmarks that `make bench` runs call it.
package bench

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// Rounds is how many times each side is measured, in turns. The medians are compared.
const Rounds = 7

// Slice is how long one side runs in one round.
const Slice = 700 * time.Millisecond

// Load does as much work as it can until stop reports true and returns how many operations that was. It is called several times.
type Load func(stop func() bool) (operations int)

// Compare runs reference and subject in turns, reports the median rate of each and the median of the rounds' ratios, and the
// memory that one operation of the subject allocates (in the whole process, so the load's own share is included). It
// fails the benchmark if the ratio is below floor.
func Compare(b *testing.B, floor float64, reference, subject Load) {
	b.Helper()
	measure(reference) // warm up
	measure(subject)
	var ratios, references, subjects []float64
	var allocs, bytes uint64
	var operations int
	for range Rounds {
		ref := measure(reference)
		sub := measure(subject)
		references, subjects = append(references, ref.rate), append(subjects, sub.rate)
		ratios = append(ratios, sub.rate/ref.rate)
		allocs, bytes, operations = allocs+sub.allocs, bytes+sub.bytes, operations+sub.operations
	}
	ratio := Median(ratios)
	b.ReportMetric(0, "ns/op") // the number of iterations means nothing here
	b.ReportMetric(Median(references), "reference/s")
	b.ReportMetric(Median(subjects), "subject/s")
	b.ReportMetric(float64(allocs)/float64(operations), "allocs/op")
	b.ReportMetric(float64(bytes)/float64(operations), "B/op")
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(floor, "floor")
	if ratio < floor {
		b.Errorf("ratio %.3f is below the floor of %.2f: %.0f/s, the reference has %.0f/s", ratio, floor, Median(subjects), Median(references))
	}
}

// Median returns the middle of values, which must not be empty.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

type sample struct {
	rate          float64
	operations    int
	allocs, bytes uint64
}

func measure(load Load) sample {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	end := start.Add(Slice)
	operations := load(func() bool { return !time.Now().Before(end) })
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	return sample{
		rate:       float64(operations) / elapsed.Seconds(),
		operations: operations,
		allocs:     after.Mallocs - before.Mallocs,
		bytes:      after.TotalAlloc - before.TotalAlloc,
	}
}
