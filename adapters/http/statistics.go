package http

import (
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/measure"
)

// classes are the classes of status codes, by their first digit.
var classes = [...]string{"", "1xx", "2xx", "3xx", "4xx", "5xx"}

// unroutedPath stands for the paths that no route has, and for what is refused before its path counts. It has no method either: clients can invent both.
const unroutedPath = "none"

// requests measures the requests of one route, by the class of their status.
type requests struct {
	method, route string
	durations     [len(classes)]measure.Histogram
}

// note notes a request that the server has answered just now. What is sent in pieces afterwards does not count.
func (r *requests) note(ctx *fasthttp.RequestCtx) {
	class := min(ctx.Response.StatusCode()/100, len(classes)-1) //nolint:mnd // the first digit
	r.durations[class].Observe(time.Since(ctx.Time()))
}

// measured returns a handler that does as the route's, answers its error, and measures the request.
func (s *Server) measured(r route) fiber.Handler {
	requests := &requests{method: r.method, route: r.pattern()}
	s.measures = append(s.measures, requests)
	return func(c *fiber.Ctx) error {
		conn.SetRoute(c.Context(), requests.route)
		if err := r.handle(c); err != nil {
			s.refuseRouted(c, err)
		}
		requests.note(c.Context())
		return nil
	}
}

// reasons counts refusals by their reason.
type reasons map[string]*atomic.Uint64

func newReasons() reasons {
	counts := reasons{reasonFault: new(atomic.Uint64), reasonInvalid: new(atomic.Uint64), reasonUnread: new(atomic.Uint64), reasonTLS: new(atomic.Uint64)}
	for _, a := range answers {
		counts[a.reason] = new(atomic.Uint64)
	}
	return counts
}

func (r reasons) note(reason string) { r[reason].Add(1) }

// EachRequest calls visit for each route and each class of its answers, such as 2xx, with how long the requests took until they were answered.
func (s *Server) EachRequest(visit func(method, route, class string, durations *measure.Histogram)) {
	for _, r := range s.measures {
		for i := range r.durations {
			if i > 0 {
				visit(r.method, r.route, classes[i], &r.durations[i])
			}
		}
	}
}

// EachRefusal calls visit for each reason why requests and connections are refused, with how many were. What rate_per_address refuses also counts for
// the reason for which it would have been refused anyway, so "unauthenticated" is the number of failed authentications.
func (s *Server) EachRefusal(visit func(reason string, count uint64)) {
	for reason, count := range s.refused {
		visit(reason, count.Load())
	}
}

// Connections returns how many connections there are: all that are no streams, the streams, and those that have shown no valid token yet; and how
// many were accepted since the start.
func (s *Server) Connections() (plain, streams, anonymous int, accepted uint64) {
	return s.conns.Counts()
}

// MaxConnections returns how many connections and streams there may be.
func (s *Server) MaxConnections() (plain, streams int) {
	limits := &s.current.Load().limits
	return limits.Connections, limits.Streams
}

// Deliveries returns how long after a change its event was written to a stream that is not behind.
func (s *Server) Deliveries() *measure.Histogram { return s.hub.Deliveries() }

// CatchUps returns how often a stream was told from memory what it had missed: at its beginning, and when it was read too slowly.
func (s *Server) CatchUps() uint64 { return s.hub.CatchUps() }
