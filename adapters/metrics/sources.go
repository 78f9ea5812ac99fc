package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var (
	sourceState       = family("source_state", "1 for the state that the source is in, 0 for the others.", "protocol", "state")
	sourceConnected   = family("source_connected_timestamp_seconds", "Since when the source is connected; 0 if it is not.", "protocol")
	sourceSynced      = family("source_last_sync_timestamp_seconds", "When the source was last in sync; 0 if never since the start.", "protocol")
	sourceAsOf        = family("source_as_of_timestamp_seconds", "Of a source that asks again and again: all that it shows was so at that moment or later; 0 for others.", "protocol")
	sourceUsers       = family("source_users", "Of how many users the connection has told.", "protocol")
	sourceReports     = family("source_reports_total", "Reports that the source has made.", "protocol")
	sourceConnections = family("source_connections_total", "Connections that the source has made; all but the first are reconnects.", "protocol")
)

// sourceStates are all states of a source.
var sourceStates = []domain.SourceState{
	domain.SourceStandby, domain.SourceConnecting, domain.SourceConnected, domain.SourceSynced, domain.SourceWaiting, domain.SourceRejected,
}

// sourceCollector reads how the sources are doing.
type sourceCollector struct{ sources ports.Sources }

// OfSources returns a collector of how the sources are doing.
func OfSources(s ports.Sources) prometheus.Collector { return sourceCollector{s} }

// Describe implements prometheus.Collector.
func (sourceCollector) Describe(into chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{sourceState, sourceConnected, sourceSynced, sourceAsOf, sourceUsers, sourceReports, sourceConnections} {
		into <- d
	}
}

// Collect implements prometheus.Collector.
func (c sourceCollector) Collect(metrics chan<- prometheus.Metric) {
	into := sink(metrics)
	for _, s := range c.sources.Statuses() {
		protocol := s.Protocol.String()
		for _, state := range sourceStates {
			into.gauge(sourceState, truth(s.State == state), protocol, state.String())
		}
		into.gauge(sourceConnected, seconds(s.Connected), protocol)
		into.gauge(sourceSynced, seconds(s.Synced), protocol)
		into.gauge(sourceAsOf, seconds(s.AsOf), protocol)
		into.gauge(sourceUsers, float64(s.Users), protocol)
		into.counter(sourceReports, s.Reports, protocol)
		into.counter(sourceConnections, s.Connections, protocol)
	}
}

// seconds is a moment in seconds since 1970: 0 if there was none.
func seconds(t domain.Timestamp) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Time().UnixMilli()) / 1000 //nolint:mnd // milliseconds are more exact than anybody needs
}
