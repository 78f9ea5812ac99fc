package http

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	v1 "github.com/zarafa/presence/adapters/http/internal/v1"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var (
	errBadHTTP = errors.New("not acceptable as HTTP")
	errPanic   = errors.New("a fault in the server")
	errNoPath  = errors.New("there is nothing here; /openapi.json tells what there is")
	errMethod  = errors.New("the methods are")
)

// The reasons of refusals that are not in the table below. A reason is counted, and is a label of a metric.
const (
	reasonForbidden = "forbidden"
	reasonInvalid   = "invalid"
	reasonUnread    = "unread"
	reasonTooLarge  = "too_large"
	reasonFault     = "fault"
	reasonTLS       = "tls" // there is no answer
)

// answers are what a client is told about an error: the first that matches. Without a detail the error's own text is told. Whatever is not here is
// a fault of ours.
var answers = []struct {
	err    error
	status int
	reason string
	detail string
}{
	{conn.ErrUserRate, fasthttp.StatusTooManyRequests, "rate_per_user", ""},
	{conn.ErrAddressRate, fasthttp.StatusTooManyRequests, "rate_per_address", ""},
	{domain.ErrUnauthenticated, fasthttp.StatusUnauthorized, "unauthenticated", ""},
	{ports.ErrUnverifiable, fasthttp.StatusServiceUnavailable, "unverifiable", ""},
	{domain.ErrForbidden, fasthttp.StatusForbidden, reasonForbidden, ""},
	{domain.ErrInvalidDevice, fasthttp.StatusUnprocessableEntity, reasonInvalid, ""},
	{problem.ErrInvalidLines, fasthttp.StatusUnprocessableEntity, reasonInvalid, ""},
	{problem.ErrMalformed, fasthttp.StatusBadRequest, "malformed", ""},
	{problem.ErrTooMany, fasthttp.StatusRequestEntityTooLarge, reasonTooLarge, ""},
	{problem.ErrQuota, fasthttp.StatusTooManyRequests, "quota", ""},
	{problem.ErrForbiddenOrigin, fasthttp.StatusForbidden, "origin", ""},
	{problem.ErrOtherOrigin, fasthttp.StatusForbidden, "origin", ""},
	{ports.ErrLoading, fasthttp.StatusServiceUnavailable, "loading", "the presences are being loaded; try again"},
	{ports.ErrTooLarge, fasthttp.StatusRequestEntityTooLarge, reasonTooLarge, "these updates are too much for one request: send fewer at once"},
	{ports.ErrFull, fasthttp.StatusServiceUnavailable, "max_users", ""},
	{ports.ErrUnavailable, fasthttp.StatusServiceUnavailable, "unavailable", "updates cannot be taken now; try again"},
	{context.Canceled, fasthttp.StatusServiceUnavailable, "stopping", "the server is stopping, or was too slow; try again"},
	{context.DeadlineExceeded, fasthttp.StatusServiceUnavailable, "stopping", "the server is stopping, or was too slow; try again"},
	{problem.ErrBodies, fasthttp.StatusServiceUnavailable, "bodies", "too many large requests arrive at once; try again"},
	{conn.ErrFull, fasthttp.StatusServiceUnavailable, "connections", "too many connections; try again"},
	{conn.ErrAnonymous, fasthttp.StatusServiceUnavailable, "anonymous", "too many connections from this address that have shown no valid token; try again"},
	{conn.ErrStreams, fasthttp.StatusServiceUnavailable, "streams", "too many event streams; try again"},
	{conn.ErrNoTLS, fasthttp.StatusBadRequest, "no_tls", ""},
	{errBadHTTP, fasthttp.StatusBadRequest, "bad_http", ""},
	{errNoPath, fasthttp.StatusNotFound, "not_found", ""},
	{errMethod, fasthttp.StatusMethodNotAllowed, "method", ""},
}

// statusOf returns the status for an error, why the request is refused in one word, and what the client is told. This, with the table above, is
// the only place that decides it.
func statusOf(err error) (status int, reason, detail string) {
	var problems domain.Problems
	switch {
	case errors.As(err, &problems) && errors.Is(err, domain.ErrForbidden):
		return fasthttp.StatusForbidden, reasonForbidden, "nothing was done, because not all of it is allowed"
	case errors.As(err, &problems):
		return fasthttp.StatusUnprocessableEntity, reasonInvalid, "nothing was done, because of what is wrong with these entries"
	case errors.Is(err, problem.ErrUnread):
		return statusOfReading(err)
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.status, a.reason, cmp.Or(a.detail, err.Error())
		}
	}
	return fasthttp.StatusInternalServerError, reasonFault, "a fault in the server; its log says more"
}

// statusOfReading is about a request that broke off, or that fasthttp did not want to read.
func statusOfReading(err error) (status int, reason, detail string) {
	var large *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.As(err, &large):
		return fasthttp.StatusRequestHeaderFieldsTooLarge, reasonTooLarge, "the header is too large"
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return fasthttp.StatusRequestEntityTooLarge, reasonTooLarge, "the body is too large; at most 1 MiB is accepted"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, fasthttp.ErrTimeout), errors.As(err, &network) && network.Timeout():
		return fasthttp.StatusRequestTimeout, reasonUnread, "the request did not arrive in time"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fasthttp.StatusBadRequest, reasonUnread, "the request broke off"
	}
	return fasthttp.StatusBadRequest, reasonUnread, "this is not HTTP/1.1"
}

// refusal is the body of an answer to a request that was not carried out (RFC 9457). Without a type its title is that of the status.
type refusal struct {
	Title  string          `json:"title"`
	Status int             `json:"status"`
	Detail string          `json:"detail,omitempty"`
	Errors []problem.Entry `json:"errors,omitempty"`

	reason string
}

func refusalOf(err error) refusal {
	status, reason, detail := statusOf(err)
	r := refusal{Title: fasthttp.StatusMessage(status), Status: status, Detail: detail, reason: reason}
	var located *problem.Error
	if errors.As(err, &located) {
		r.Errors = located.Entries
	}
	return r
}

func (r refusal) body() []byte {
	text, _ := json.Marshal(r) //nolint:errchkjson // strings and numbers can always be marshalled
	return text
}

const (
	typeProblem = "application/problem+json"
	retryAfter  = "1" // second
)

// refuse answers with what a client is told about an error.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, err error) {
	r := refusalOf(err)
	s.refused.note(r.reason)
	if r.Status < fasthttp.StatusInternalServerError && r.Status != fasthttp.StatusTooManyRequests { // the client is to blame
		if tooMany := s.conns.Refused(ctx); tooMany != nil {
			err, r = tooMany, refusalOf(tooMany)
			s.refused.note(r.reason)
		}
	}
	header := &ctx.Response.Header
	respond.Headers(header)
	s.demandTLS(ctx)
	conn.KeepID(ctx)
	switch r.Status {
	case fasthttp.StatusUnauthorized:
		header.Set(fasthttp.HeaderWWWAuthenticate, challenge(ctx, err))
		s.noteRefusal(ctx, r.Status, err)
	case fasthttp.StatusForbidden:
		if errors.Is(err, problem.ErrForbiddenOrigin) {
			s.origins.note(string(ctx.Request.Header.Peek(fasthttp.HeaderOrigin)), ctx.RemoteAddr())
		} else {
			s.noteRefusal(ctx, r.Status, err)
		}
	case fasthttp.StatusMethodNotAllowed:
		header.Set(fasthttp.HeaderAllow, s.methods(ctx))
	case fasthttp.StatusTooManyRequests:
		header.Set(fasthttp.HeaderRetryAfter, retryAfter)
		s.noteRefusal(ctx, r.Status, err)
		if !errors.Is(err, problem.ErrQuota) {
			s.conns.HoldBack(ctx)
		}
	case fasthttp.StatusServiceUnavailable:
		header.Set(fasthttp.HeaderRetryAfter, retryAfter)
	}
	if body.Unread(ctx) || errors.Is(err, problem.ErrUnread) {
		ctx.SetConnectionClose()
		conn.Linger(ctx)
	}
	ctx.SetStatusCode(r.Status)
	header.SetContentType(typeProblem)
	ctx.SetBody(r.body())
}

// noteRefusal logs a refusal with the client's address, and with that of the proxy if there is one.
func (s *Server) noteRefusal(ctx *fasthttp.RequestCtx, status int, err error) {
	client, remote := s.current.Load().limits.Proxies.Client(ctx), conn.NameOf(ctx.RemoteAddr())
	if client != conn.AddressOf(ctx.RemoteAddr()) {
		remote = client.String() + " by way of " + remote
	}
	s.refusals.note(status, err.Error(), client, remote, conn.RequestID(ctx))
}

// challenge says how to authenticate: on API v1 with a bearer token (RFC 6750, 3). Our own errors are about a request without a token.
func challenge(ctx *fasthttp.RequestCtx, err error) string {
	var missing *problem.Error
	switch {
	case !v1.Serves(ctx):
		return `AuthenticationToken realm="presence"`
	case errors.As(err, &missing):
		return `Bearer realm="presence"`
	}
	return `Bearer realm="presence", error="invalid_token"`
}

// onError is what Fiber calls with its own errors: there is no such route.
func (s *Server) onError(c *fiber.Ctx, err error) error {
	s.refuseRouted(c, err)
	s.unroutedRequests.note(c.Context())
	return nil
}

// refuseRouted refuses with the error of a handler, or of Fiber.
func (s *Server) refuseRouted(c *fiber.Ctx, err error) {
	var routing *fiber.Error
	if errors.As(err, &routing) {
		err = s.unrouted(c.Context())
	}
	s.refuse(c.Context(), err)
}

// turnAway answers a connection that is not served, without reading anything from it.
func (s *Server) turnAway(c *conn.Conn, why error) {
	peer, remote := conn.AddressOf(c.RemoteAddr()), conn.NameOf(c.RemoteAddr())
	if errors.Is(why, conn.ErrHandshake) {
		s.refused.note(reasonTLS)
		s.refusals.note(noStatus, why.Error(), peer, remote, "")
		return
	}
	r := refusalOf(why)
	s.refused.note(r.reason)
	s.refusals.note(r.Status, why.Error(), peer, remote, "")
	text := r.body()
	later := ""
	if r.Status == fasthttp.StatusServiceUnavailable {
		later = "Retry-After: " + retryAfter + "\r\n"
	}
	c.Dismiss(why, fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n%s",
		r.Status, r.Title, typeProblem, len(text), later, text))
}
