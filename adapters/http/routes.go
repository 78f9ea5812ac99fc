package http

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/respond"
)

// route says which handler serves a method and a path. A part of the path that begins with a colon is a parameter.
type route struct {
	method, path string
	handle       fiber.Handler
}

// allRoutes returns all that there are. internal/pages/static/openapi.json describes them to clients. HEAD is served wherever GET is, by the same
// handler: fasthttp leaves out the body.
func (s *Server) allRoutes() (all []route) {
	for _, r := range slices.Concat(s.apiRoutes(), s.pageRoutes(), s.operations.routes(s.conns.Scraped)) {
		all = append(all, r)
		if r.method == fiber.MethodGet {
			all = append(all, route{fiber.MethodHead, r.path, r.handle})
		}
	}
	return all
}

func (s *Server) apiRoutes() []route {
	return []route{
		{fiber.MethodGet, "/", s.unlessSuspicious(s.getRoot)},
		{fiber.MethodPut, "/", s.unlessSuspicious(s.legacy.Put)},
		{fiber.MethodPost, "/", s.unlessSuspicious(s.legacy.Post)},

		{fiber.MethodGet, "/v1/users", s.v1.GetUsers},
		{fiber.MethodPost, `/v1/users\:query`, s.v1.QueryUsers},
		{fiber.MethodGet, "/v1/users/:user", s.v1.GetUser},
		{fiber.MethodPut, "/v1/users/:user/:protocol", s.v1.PutPresence},
		{fiber.MethodPost, "/v1/users/:user/:protocol", s.v1.PutPresence}, // for those that cannot PUT
		{fiber.MethodDelete, "/v1/users/:user/:protocol", s.v1.DeletePresence},
		{fiber.MethodGet, "/v1/groups", s.v1.GetGroups},
		{fiber.MethodGet, "/v1/groups/:group", s.v1.GetGroup},
		{fiber.MethodGet, "/v1/me", s.v1.GetMe},
		{fiber.MethodGet, "/v1/sources", s.v1.GetSources},
		{fiber.MethodPost, "/v1/token", s.v1.PostToken},
		{fiber.MethodGet, "/v1/sign-in", s.v1.GetSignIn},
		{fiber.MethodGet, "/v1/identities/unmapped", s.v1.GetUnmapped},
		{fiber.MethodGet, "/v1/events", s.events.Get},
		{fiber.MethodPost, "/v1/events", s.events.Post},
		{fiber.MethodGet, "/v1/export", s.v1.Export},
		{fiber.MethodPost, "/v1/import", s.v1.Import},
	}
}

// getRoot answers a query of the original API, and leads a person with a browser to the board. The address is relative: a proxy may have another path.
func (s *Server) getRoot(c *fiber.Ctx) error {
	ctx := c.Context()
	if body.None(ctx) && bytes.Contains(ctx.Request.Header.Peek(fiber.HeaderAccept), []byte("text/html")) {
		respond.Headers(&c.Context().Response.Header)
		c.Set(fiber.HeaderLocation, "board")
		c.Set(fiber.HeaderVary, fiber.HeaderAccept)
		c.Status(fiber.StatusSeeOther)
		return nil
	}
	return s.legacy.Get(c)
}

// unlessSuspicious refuses a request of the original API before its large body is read, in which the token is, if its connection has shown none yet
// and its address has been refused too often. API v1 looks at the token first.
func (s *Server) unlessSuspicious(handle fiber.Handler) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if body.Unread(c.Context()) && s.conns.Suspicious(c.Context()) {
			return conn.ErrAddressRate
		}
		return handle(c)
	}
}

// pageRoutes serve the files that a browser gets.
func (s *Server) pageRoutes() (all []route) {
	for _, file := range s.pages.Files() {
		all = append(all, route{fiber.MethodGet, file.Path, file.Serve})
	}
	return all
}

// unrouted is the error for a request that no route serves.
func (s *Server) unrouted(ctx *fasthttp.RequestCtx) error {
	if allowed := s.methods(ctx); allowed != "" {
		return fmt.Errorf("%w %s", errMethod, allowed)
	}
	return errNoPath
}

// methods returns the methods that a request's path has, as an Allow field, or "" if there is no such path.
func (s *Server) methods(ctx *fasthttp.RequestCtx) string {
	var found []string
	for _, r := range s.routes {
		if r.matches(string(ctx.URI().PathOriginal())) && !slices.Contains(found, r.method) {
			found = append(found, r.method)
		}
	}
	return strings.Join(found, ", ")
}

// pattern is the path as it is written for people.
func (r *route) pattern() string { return strings.ReplaceAll(r.path, `\`, "") }

func (r *route) matches(path string) bool {
	parts, pattern := strings.Split(path, "/"), strings.Split(r.pattern(), "/")
	return slices.EqualFunc(parts, pattern, func(part, pattern string) bool {
		return part == pattern || strings.HasPrefix(pattern, ":") && part != ""
	})
}
