package http

import (
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/gofiber/fiber/v2"
)

// NewBare makes what the benchmarks compare the server with: Fiber with the same settings, and a handler that reads the body and
// returns a constant.
func NewBare(cfg Config, constant []byte) *fiber.App {
	app := newApp(cfg, fiber.DefaultErrorHandler)
	tune(app.Server(), cfg)
	handler := func(c *fiber.Ctx) error {
		if len(c.Body()) == 0 {
			return fiber.ErrBadRequest
		}
		return c.Send(constant)
	}
	for _, method := range methods {
		app.Add(method, "/", handler)
	}
	app.Add(fiber.MethodGet, "/v1/users/:user", func(c *fiber.Ctx) error { return c.Send(constant) })
	return app
}

// Routes lists what a server's router knows, each as "METHOD pattern".
func (s *Server) Routes() []string {
	app := newApp(s.cfg, fiber.DefaultErrorHandler)
	s.route(app)
	var routes []string
	for _, route := range app.GetRoutes() {
		routes = append(routes, route.Method+" "+route.Path)
	}
	return routes
}

// NewRefusals returns a function that is refused over and over.
func NewRefusals(log io.Writer) (note func()) {
	r := newRefusals(slog.New(slog.NewTextHandler(log, nil)))
	return func() { r.note(401, "forged", &net.TCPAddr{}) }
}

// Stopping reports whether Stop has begun.
func (s *Server) Stopping() bool { return s.stopping.Load() }

// MaxLists is how much memory known lists may take.
const MaxLists = maxLists

// ForgetLists makes a server as if nobody had asked it for a list.
func (s *Server) ForgetLists() {
	s.lists.mu.Lock()
	defer s.lists.mu.Unlock()
	for len(s.lists.ring) > 0 {
		s.lists.remove(s.lists.ring[0])
	}
	for i := range s.lists.once {
		s.lists.once[i].Store(0)
	}
}

// KnownLists returns how many lists are known, how much memory they are thought to take, and how many are noted as seen once.
func (s *Server) KnownLists() (lists, size, noted int) {
	s.lists.mu.Lock()
	defer s.lists.mu.Unlock()
	for i := range s.lists.once {
		if s.lists.once[i].Load() != 0 {
			noted++
		}
	}
	if s.lists.known.Size() != len(s.lists.ring) {
		panic("the lists in the map are not those in the ring")
	}
	return len(s.lists.ring), s.lists.size, noted
}

// KnowsList reports whether the list in a request's body is known.
func (s *Server) KnowsList(body string) bool { return s.KnownAnswer(body) != nil }

// KnownAnswer returns the last answer to a request, if its list is known.
func (s *Server) KnownAnswer(body string) []byte {
	text, ok := s.authorisedList([]byte(body))
	if !ok {
		return nil
	}
	if known := s.lists.find(text); known != nil {
		return known.last.Load().body
	}
	return nil
}

// ApplyDeadlines tells which of the wanted deadlines are set, one after the other, when somebody waits after each.
func ApplyDeadlines(slack time.Duration, wanted ...time.Time) (set []time.Time) {
	var d deadline
	for _, d.wanted = range wanted {
		d.apply(slack, func(t time.Time) error { set = append(set, t); return nil })
	}
	return set
}

// Slack is how much sooner than configured time-outs may strike.
func (c Config) Slack() time.Duration { return c.slack() }
