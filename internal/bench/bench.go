// Package bench compares what the project measures with a reference measured in the same run: absolute times say little on a
// shared machine, ratios do. The benchmarks that `make bench` runs call it.
package bench

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// Rounds is how many times each load is measured, in turns. The medians are compared.
const Rounds = 15

// Slice is how long one load runs in one round.
const Slice = 350 * time.Millisecond

// Load does as much work as it can until stop reports true and returns how many operations that was. It is called several times.
type Load func(stop func() bool) (operations int)

// Beside is a load that is measured in the same rounds for the record.
type Beside struct {
	Name string // one word, for the names of the metrics
	Load Load
}

// Compare measures reference, subject and what is beside them in turns. Reference and subject follow one another, and either is the first in every
// other round, as what else the machine does changes meanwhile. It reports the median rate of each, the median of the rounds' ratios of
// the subject to each other one, and the memory that one operation of the subject allocates (in the whole process, so the load's own share
// is included). It fails the benchmark if the ratio to the reference is below floor.
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
	b.ReportMetric(0, "ns/op") // the number of iterations means nothing here
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
