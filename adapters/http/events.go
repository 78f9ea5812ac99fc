package http

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/document"
	"github.com/zarafa/presence/adapters/http/internal/events"
	"github.com/zarafa/presence/domain"
)

// pathEvents is where changes are told as they happen.
const pathEvents = "/v1/events"

// routeEvents adds the live feed to Fiber's router.
func (s *Server) routeEvents(app *fiber.App) {
	app.Add(fiber.MethodGet, pathEvents, func(c *fiber.Ctx) error {
		return s.events(c.Context(), inQuery, func(ctx *fasthttp.RequestCtx, asked *document.Query) error {
			return asked.ReadArgs(ctx.URI().QueryString())
		})
	})
	app.Add(fiber.MethodPost, pathEvents, func(c *fiber.Ctx) error {
		return s.events(c.Context(), inUsers, func(ctx *fasthttp.RequestCtx, asked *document.Query) error {
			if err := noArgs(ctx); err != nil {
				return err
			}
			return asked.Read(ctx.Request.Body())
		})
	})
}

// events begins a stream. What remains of it is the hub's affair, once fasthttp has let go of the connection.
func (s *Server) events(ctx *fasthttp.RequestCtx, place func(domain.Problem) problemEntry, read func(*fasthttp.RequestCtx, *document.Query) error) error {
	by, err := s.bearer(ctx)
	if err != nil {
		return err
	}
	x := newExchange()
	if err := read(ctx, &x.asked); err != nil {
		return s.refusedV1(ctx, x, err, place)
	}
	stream, err := subscription(&x.asked, by)
	if err != nil {
		return s.refusedV1(ctx, x, err, place)
	}
	x.release()
	if last := ctx.Request.Header.Peek("Last-Event-ID"); len(last) > 0 {
		since, err := strconv.ParseUint(string(last), 10, 64)
		stream.Since, stream.Lost = domain.Revision(since), err != nil // an id that is not ours is from another life
	}
	if s.stopping.Load() {
		return context.Canceled
	}
	setHeader(ctx)
	ctx.SetContentType("text/event-stream")
	ctx.Response.Header.Set("X-Accel-Buffering", "no") // or nginx would keep the events to itself
	ctx.SetConnectionClose()
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(net.Conn) {})
	ctx.Conn().(*conn).stream = stream
	return nil
}

// subscription returns what was asked for, each user once, in memory of its own.
func subscription(asked *document.Query, by domain.Principal) (*events.Subscription, error) {
	if !asked.Named {
		if err := by.MayWatchAll(); err != nil {
			return nil, newProblem(fasthttp.StatusForbidden, err.Error())
		}
		return &events.Subscription{All: true, Since: asked.Since, Until: by.Until}, nil
	}
	users := make([]domain.UserID, 0, len(asked.Users))
	var problems domain.Problems
	for i, id := range asked.Users {
		user, err := domain.ParseUserID(id)
		if err != nil {
			problems = append(problems, domain.Problem{Index: i, Field: domain.FieldUser, Err: err})
			continue
		}
		users = append(users, domain.UserID(strings.Clone(string(user))))
	}
	slices.Sort(users)
	return &events.Subscription{Users: slices.Compact(users), Since: asked.Since, Until: by.Until}, problems.OrNil()
}

// handOver gives the connection of a stream to the hub. It returns when the stream has ended.
func (s *Server) handOver(c *conn) {
	stream := c.stream
	c.stream = nil // the list can be long
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		s.hub.Serve(tcp, stream)
	}
	c.abort()
}
