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
	others := append([]Beside{{Name: "reference", Load: reference}}, beside...)
	for _, other := range others { // warm up
		measure(other.Load)
	}
	measure(subject)
	rates, ratios := make([][]float64, len(others)), make([][]float64, len(others))
	var subjects []float64
	var allocs, bytes uint64
	var operations int
	for round := range Rounds {
		var ref, sub sample
		if round%2 == 0 {
			ref, sub = measure(reference), measure(subject)
		} else {
			sub, ref = measure(subject), measure(reference)
		}
		subjects = append(subjects, sub.rate)
		for i := range others {
			if i > 0 {
				ref = measure(others[i].Load)
			}
			rates[i], ratios[i] = append(rates[i], ref.rate), append(ratios[i], sub.rate/ref.rate)
		}
		allocs, bytes, operations = allocs+sub.allocs, bytes+sub.bytes, operations+sub.operations
	}
	b.ReportMetric(0, "ns/op") // hides ns/op, which means nothing here
	b.ReportMetric(Median(subjects), "subject/s")
	for i, other := range others {
		b.ReportMetric(Median(rates[i]), other.Name+"/s")
		if i > 0 {
			b.ReportMetric(Median(ratios[i]), "ratio-to-"+other.Name)
		}
	}
	b.ReportMetric(float64(allocs)/float64(operations), "allocs/op")
	b.ReportMetric(float64(bytes)/float64(operations), "B/op")
	ratio := Median(ratios[0])
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(floor, "floor")
	if ratio < floor {
		b.Errorf("ratio %.3f is below the floor of %.2f: %.0f/s, the reference has %.0f/s", ratio, floor, Median(subjects), Median(rates[0]))
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
