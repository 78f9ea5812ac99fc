package http

import (
	"strings"

	"github.com/gofiber/fiber/v2/utils"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/domain"
)

// The challenges of API v1 (RFC 6750, 3). A request without any token is not told that its token is wrong.
const (
	challengeBearer  = `Bearer realm="presence"` //nolint:gosec // no credentials, but the request for them
	challengeInvalid = `Bearer realm="presence", error="invalid_token"`
)

// bearer returns for whom a request of API v1 speaks: the token is in Authorization (RFC 6750, 2.1). The error is a problem with
// status 401, and was noted. The principal's User lasts as long as the request.
func (s *Server) bearer(ctx *fasthttp.RequestCtx) (domain.Principal, error) {
	header := utils.UnsafeString(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization))
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return domain.Principal{}, s.unauthorised(ctx, challengeBearer, "the token is missing: send Authorization: Bearer TOKEN")
	}
	by, err := s.tokens.Verify(strings.Trim(token, " "))
	if err != nil {
		return domain.Principal{}, s.unauthorised(ctx, challengeInvalid, err.Error())
	}
	return by, nil
}

func (s *Server) unauthorised(ctx *fasthttp.RequestCtx, challenge, why string) error {
	s.refusals.note(fasthttp.StatusUnauthorized, why, ctx.RemoteAddr())
	p := newProblem(fasthttp.StatusUnauthorized, why)
	p.challenge = challenge
	return p
}
