package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zarafa/presence/measure"
)

// Server is what an HTTP server counts.
type Server interface {
	// EachRequest calls visit for each route and class of status, with how long requests took until they were answered.
	EachRequest(visit func(method, route, class string, durations *measure.Histogram))

	// EachRefusal calls visit for each reason why requests and connections are refused, with how many were.
	EachRefusal(visit func(reason string, count uint64))

	// Connections returns how many connections there are: all that are no streams, the streams, and those that have shown no valid token yet; and
	// how many were accepted since the start.
	Connections() (plain, streams, anonymous int, accepted uint64)

	// MaxConnections returns how many connections and streams there may be.
	MaxConnections() (plain, streams int)

	// Deliveries returns how long after a change its event was written to a stream that is not behind.
	Deliveries() *measure.Histogram

	// CatchUps returns how often a stream was told from memory what it had missed.
	CatchUps() uint64
}

var (
	requestDuration = family("http_request_duration_seconds",
		"How long requests took, from when they were read until they were answered; what is sent in pieces after that does not count.", "method", "route", "status")
	refusals       = family("http_refusals_total", "Requests and connections that were refused, by reason.", "reason")
	connections    = family("http_connections", "Open connections, without the event streams.")
	maxConnections = family("http_max_connections", "How many connections there may be: http.max_connections.")
	anonymous      = family("http_anonymous_connections", "Open connections that have shown no valid token yet.")
	accepted       = family("http_accepted_connections_total", "Connections that were accepted.")
	streams        = family("http_streams", "Open event streams.")
	maxStreams     = family("http_max_streams", "How many event streams there may be: http.max_streams.")
	deliveryDelay  = family("http_delivery_delay_seconds", "How long after a change its event was written to an event stream that is not behind.")
	catchUps       = family("http_catchups_total", "How often an event stream was told from memory what it had missed: at its beginning, and when it was read too slowly.")
)

// serverCollector reads a Server.
type serverCollector struct{ server Server }

// OfServer returns a collector of what an HTTP server counts.
func OfServer(s Server) prometheus.Collector { return serverCollector{s} }

// Describe implements prometheus.Collector.
func (serverCollector) Describe(into chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		requestDuration, refusals, connections, maxConnections, anonymous, accepted, streams, maxStreams, deliveryDelay, catchUps,
	} {
		into <- d
	}
}

// Collect implements prometheus.Collector. What no request has had yet is left out.
func (c serverCollector) Collect(metrics chan<- prometheus.Metric) {
	into := sink(metrics)
	c.server.EachRequest(func(method, route, class string, durations *measure.Histogram) {
		if durations.Read().Count > 0 {
			into.histogram(requestDuration, durations, method, route, class)
		}
	})
	c.server.EachRefusal(func(reason string, count uint64) { into.counter(refusals, count, reason) })
	plain, watching, unknown, all := c.server.Connections()
	into.gauge(connections, float64(plain))
	into.gauge(streams, float64(watching))
	into.gauge(anonymous, float64(unknown))
	into.counter(accepted, all)
	mostPlain, mostStreams := c.server.MaxConnections()
	into.gauge(maxConnections, float64(mostPlain))
	into.gauge(maxStreams, float64(mostStreams))
	into.histogram(deliveryDelay, c.server.Deliveries())
	into.counter(catchUps, c.server.CatchUps())
}
