package http_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
)

// mostMeasuring is how much of the time of a request of one user its measuring may take.
const mostMeasuring = 0.02

// BenchmarkMeasuring shows what it costs to measure a request, as a share of the processor time of a GET of one user, the client included.
func BenchmarkMeasuring(b *testing.B) {
	r := populated(b)
	get := load(b, r.Addr(), func(client int) string { return request("GET", r.body(mark, entry(client))) }, func([]byte) {})
	stop := time.Now().Add(2 * time.Second)
	began := time.Now()
	served := get(func() bool { return time.Now().After(stop) })
	whole := time.Since(began).Seconds() * float64(runtime.GOMAXPROCS(0)) / float64(served)

	note := http.NewMeasuring()
	const often = 1 << 20
	began = time.Now()
	for range often {
		note()
	}
	part := time.Since(began).Seconds() / often
	b.ReportMetric(part*1e9, "ns/request")
	b.ReportMetric(part/whole, "share")
	b.ReportMetric(0, "ns/op")
	if part/whole > mostMeasuring {
		b.Errorf("measuring takes %.3f of a request, more than %.3f", part/whole, mostMeasuring)
	}
	if n := testing.AllocsPerRun(100, note); n != 0 {
		b.Errorf("measuring allocates %v times", n)
	}
}
