package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var (
	exporterState     = family("exporter_state", "1 for the state that the exporter is in, 0 for the others.", "exporter", "state")
	exporterAttempts  = family("exporter_attempts_total", "Attempts to tell a user's state, by result: told, failed.", "exporter", "result")
	exporterTime      = family("exporter_attempt_duration_seconds", "How long the attempts took.", "exporter")
	exporterWaiting   = family("exporter_waiting_users", "Users whose state is still to be told.", "exporter")
	exporterFailingAt = family("exporter_failing_since_timestamp_seconds", "Since when the receiver has taken nothing although there was something to tell; 0 if it takes what there is.", "exporter")
)

// exporterCollector reads how the exporters are doing.
type exporterCollector struct{ exporters ports.Exporters }

// OfExporters returns a collector of how the exporters are doing.
func OfExporters(e ports.Exporters) prometheus.Collector { return exporterCollector{e} }

// Describe implements prometheus.Collector.
func (exporterCollector) Describe(into chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{exporterState, exporterAttempts, exporterTime, exporterWaiting, exporterFailingAt} {
		into <- d
	}
}

// Collect implements prometheus.Collector.
func (c exporterCollector) Collect(metrics chan<- prometheus.Metric) {
	into := sink(metrics)
	for _, x := range c.exporters.Statuses() {
		for _, state := range domain.ExporterStates {
			into.gauge(exporterState, truth(x.State == state), x.Name, state.String())
		}
		into.counter(exporterAttempts, x.Told, x.Name, "told")
		into.counter(exporterAttempts, x.Failed, x.Name, "failed")
		into.histogram(exporterTime, x.Durations, x.Name)
		into.gauge(exporterWaiting, float64(x.Waiting), x.Name)
		into.gauge(exporterFailingAt, seconds(x.FailingSince), x.Name)
	}
}
