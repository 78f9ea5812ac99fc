// Package metrics exports what the daemon counts in the format of Prometheus. docs/metrics.md lists every metric.
//
// The parts of the daemon keep plain counters, and know nothing of Prometheus. Each file here reads some of them when Prometheus asks. Another
// adapter can add collectors of its own: see Module.
package metrics

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/zarafa/presence/measure"
)

// Exporter gathers the metrics of all collectors. It may be used concurrently.
type Exporter struct {
	registry *prometheus.Registry
	log      *slog.Logger
}

// Version is that of the program.
type Version string

// New makes an exporter that tells of the program, of the given version, of Go's runtime and of the process.
func New(version Version, log *slog.Logger) *Exporter {
	e := &Exporter{registry: prometheus.NewRegistry(), log: log}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "presence_build_info",
		Help:        "1; the labels say which version runs.",
		ConstLabels: prometheus.Labels{"version": string(version), "goversion": runtime.Version()},
	}, func() float64 { return 1 })
	e.registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return e
}

// Add adds collectors. It fails if two of them have a metric of the same name.
func (e *Exporter) Add(all ...prometheus.Collector) error {
	for _, c := range all {
		if err := e.registry.Register(c); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	return nil
}

// maxScrapes is how many requests for the metrics are answered at once; further ones get 503.
const maxScrapes = 4

// Handler serves the metrics. What cannot be read is left out, and logged.
func (e *Exporter) Handler() http.Handler {
	return promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(e.log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	})
}

// family describes a metric of this daemon.
func family(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("presence", "", name), help, labels, nil)
}

// sink is where a collector puts what it has read.
type sink chan<- prometheus.Metric

func (s sink) gauge(d *prometheus.Desc, value float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (s sink) counter(d *prometheus.Desc, value uint64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

// histogram puts in a histogram of durations, in seconds.
func (s sink) histogram(d *prometheus.Desc, h *measure.Histogram, labels ...string) {
	read := h.Read()
	buckets := make(map[float64]uint64, len(measure.Bounds))
	for i, bound := range measure.Bounds {
		buckets[bound.Seconds()] = read.Within[i]
	}
	s <- prometheus.MustNewConstHistogram(d, read.Count, read.Sum.Seconds(), buckets, labels...)
}

// truth is 1 or 0.
func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
