package http

import (
	"context"
	"fmt"
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
		return s.subscribe(c.Context(), func(q *document.Query) error { return q.ReadArgs(c.Context().URI().QueryString()) })
	})
	app.Add(fiber.MethodPost, pathEvents, func(c *fiber.Ctx) error {
		return s.subscribe(c.Context(), func(q *document.Query) error { return q.Read(c.Context().Request.Body()) })
	})
}

// subscribe begins a stream: what remains of it is the hub's affair, once fasthttp has let go of the connection.
func (s *Server) subscribe(ctx *fasthttp.RequestCtx, read func(*document.Query) error) error {
	by, err := s.bearer(ctx)
	if err != nil {
		return err
	}
	var query document.Query
	if err := read(&query); err != nil {
		return err
	}
	stream := &events.Subscription{All: !query.Named, Since: query.Since, Until: by.Until}
	if stream.All {
		if err := by.MayWatchAll(); err != nil {
			return s.forbidden(ctx, err)
		}
	}
	if stream.Users, err = distinct(query.Users); err != nil {
		return err
	}
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

// forbidden turns an ErrForbidden into a problem.
func (s *Server) forbidden(ctx *fasthttp.RequestCtx, err error) error {
	s.refusals.note(fasthttp.StatusForbidden, err.Error(), ctx.RemoteAddr())
	return newProblem(fasthttp.StatusForbidden, err.Error())
}

// distinct returns the users that some ids name, each once, in memory of their own.
func distinct(ids []string) ([]domain.UserID, error) {
	users := make([]domain.UserID, 0, len(ids))
	var faults []problemEntry
	for i, id := range ids {
		user, err := domain.ParseUserID(id)
		if err != nil {
			faults = append(faults, problemEntry{Detail: err.Error(), Pointer: fmt.Sprintf("#/users/%d", i)})
			continue
		}
		users = append(users, domain.UserID(strings.Clone(string(user))))
	}
	if len(faults) > 0 {
		return nil, newProblem(fasthttp.StatusUnprocessableEntity, "nothing was done, because of what is wrong with these entries", faults...)
	}
	slices.Sort(users)
	return slices.Compact(users), nil
}

// handOver gives the connection of a stream to the hub. It returns when the stream has ended.
func (s *Server) handOver(c *conn) {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		s.hub.Serve(tcp, c.stream)
	}
	c.abort()
}
