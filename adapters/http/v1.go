package http

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/document"
	"github.com/zarafa/presence/domain"
)

// addV1 adds API v1 to the router, the events apart.
func (s *Server) addV1(app *fiber.App) {
	const presence = "/v1/users/:user/:protocol"
	app.Add(fiber.MethodGet, "/v1/users", func(c *fiber.Ctx) error { return s.getUsers(c.Context()) })
	app.Add(fiber.MethodGet, "/v1/users/:user", func(c *fiber.Ctx) error { return s.getUser(c.Context(), c.Params("user")) })
	app.Add(fiber.MethodPost, `/v1/users\:query`, func(c *fiber.Ctx) error { return s.queryUsers(c.Context()) })
	app.Add(fiber.MethodPut, presence, func(c *fiber.Ctx) error {
		return s.putPresence(c.Context(), c.Params("user"), c.Params("protocol"))
	})
	app.Add(fiber.MethodDelete, presence, func(c *fiber.Ctx) error {
		return s.deletePresence(c.Context(), c.Params("user"), c.Params("protocol"))
	})
	app.Add(fiber.MethodGet, "/v1/sources", func(c *fiber.Ctx) error { return s.getSources(c.Context()) })
}

// getUser answers with one user.
func (s *Server) getUser(ctx *fasthttp.RequestCtx, user string) error {
	if _, err := s.bearer(ctx); err != nil {
		return err
	}
	if err := noArgs(ctx); err != nil {
		return err
	}
	user, err := pathText("user", user)
	if err != nil {
		return err
	}
	x := newExchange()
	x.asked.Users = append(x.asked.Users[:0], user)
	states, _, err := s.feed.States(x.asked.Users, x.states[:0])
	x.states = states
	if err != nil {
		return s.refusedV1(ctx, x, err, inPath)
	}
	x.body = document.AppendUser(x.body[:0], user, &x.states[0])
	respondTagged(ctx, x, x.body)
	return nil
}

// getUsers answers with the users that the URL names.
func (s *Server) getUsers(ctx *fasthttp.RequestCtx) error {
	if _, err := s.bearer(ctx); err != nil {
		return err
	}
	x := newExchange()
	err := x.asked.ReadArgs(ctx.URI().QueryString())
	if err == nil && !x.asked.Named {
		err = &document.ArgFault{Name: "user", Detail: "is missing: name the users, user=a@example.test&user=b@example.test"}
	}
	if err != nil {
		return s.refusedV1(ctx, x, err, inQuery)
	}
	return s.answerUsers(ctx, x, inQuery)
}

// queryUsers answers with the users that the body names.
func (s *Server) queryUsers(ctx *fasthttp.RequestCtx) error {
	if _, err := s.bearer(ctx); err != nil {
		return err
	}
	x := newExchange()
	err := noArgs(ctx)
	if err == nil {
		err = x.asked.Read(ctx.Request.Body())
	}
	if err == nil && !x.asked.Named {
		err = newProblem(fasthttp.StatusBadRequest, "#/users is missing", problemEntry{Pointer: "#/users", Detail: "is missing"})
	}
	if err != nil {
		return s.refusedV1(ctx, x, err, inUsers)
	}
	return s.answerUsers(ctx, x, inUsers)
}

// putPresence sets a presence.
func (s *Server) putPresence(ctx *fasthttp.RequestCtx, user, protocol string) error {
	var setting document.Setting
	return s.write(ctx, user, protocol, &setting, func(update *domain.Update) error {
		if err := setting.Read(ctx.Request.Body(), domain.TimestampOf(time.Now())); err != nil {
			return err
		}
		update.Status, update.Message, update.Until = setting.Status, setting.Message, setting.Until
		return nil
	})
}

// deletePresence takes a presence away.
func (s *Server) deletePresence(ctx *fasthttp.RequestCtx, user, protocol string) error {
	return s.write(ctx, user, protocol, nil, func(update *domain.Update) error {
		update.Remove = true
		return nil
	})
}

// write carries out an update, of which read adds what is in the body.
func (s *Server) write(ctx *fasthttp.RequestCtx, user, protocol string, setting *document.Setting, read func(*domain.Update) error) error {
	by, err := s.bearer(ctx)
	if err != nil {
		return err
	}
	if err := noArgs(ctx); err != nil {
		return err
	}
	x := newExchange()
	var update domain.Update
	if update.User, err = pathText("user", user); err == nil {
		update.Protocol, err = pathText("protocol", protocol)
	}
	if err == nil {
		err = read(&update)
	}
	if err == nil {
		err = s.presence.Update(s.ctx, by, []domain.Update{update})
	}
	if err != nil {
		return s.refusedV1(ctx, x, err, func(p domain.Problem) problemEntry { return inSetting(p, setting) })
	}
	x.release()
	setHeader(ctx)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}

// getSources answers with how the sources are doing.
func (s *Server) getSources(ctx *fasthttp.RequestCtx) error {
	if _, err := s.bearer(ctx); err != nil {
		return err
	}
	if err := noArgs(ctx); err != nil {
		return err
	}
	setHeader(ctx)
	ctx.Response.Header.SetContentTypeBytes(typeJSON)
	ctx.Response.SetBodyRaw(document.AppendSources(nil, s.sources.Statuses()))
	return nil
}

// noArgs refuses a query in the URL of what takes none.
func noArgs(ctx *fasthttp.RequestCtx) error {
	if len(ctx.URI().QueryString()) == 0 {
		return nil
	}
	return newProblem(fasthttp.StatusBadRequest, "the URL takes no query")
}

// pathText percent-decodes a part of the path.
func pathText(name, text string) (string, error) {
	decoded, err := document.UnescapeString(text)
	if err != nil {
		return "", &document.ArgFault{Name: name, Detail: err.Error()}
	}
	return decoded, nil
}

// refusedV1 turns an error about a request into a problem. place tells where what the use case refused stands in the request.
func (s *Server) refusedV1(ctx *fasthttp.RequestCtx, x *exchange, err error, place func(domain.Problem) problemEntry) error {
	var problems domain.Problems
	var p *problem
	if errors.As(err, &problems) {
		entries := make([]problemEntry, 0, len(problems))
		for _, problem := range problems {
			entry := place(problem)
			entry.Detail = problem.Err.Error()
			entries = append(entries, entry)
		}
		p = refusalOf(problems, entries)
	} else {
		p = problemOf(err, nil)
	}
	if p.Status == fasthttp.StatusForbidden {
		s.refusals.note(p.Status, err.Error(), ctx.RemoteAddr())
	}
	x.release()
	return p
}
