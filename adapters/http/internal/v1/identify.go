package v1

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// errNoToken is for a request without any token, which is not told that its token is wrong (RFC 6750, 3.1).
var errNoToken = &problem.Error{Kind: domain.ErrUnauthenticated, Detail: "the token is missing: send Authorization: Bearer TOKEN"}

// Authenticate returns for which principal a request speaks that asks something. Principal.MayRead says which users it may ask about.
func Authenticate(c *fiber.Ctx, tokens ports.Tokens) (domain.Principal, error) {
	by, err := identify(c, tokens)
	if err == nil {
		err = by.MayRead(nil)
	}
	return by, err
}

// identify returns for which principal a request speaks: the token is in Authorization (RFC 6750, 2.1). It is tried as it was sent, then
// percent-decoded once: a browser sends no other letters in a header than those of Latin-1, and those not in UTF-8. Without a token it is the user
// that a trusted proxy names, if there is one.
func identify(c *fiber.Ctx, tokens ports.Tokens) (by domain.Principal, err error) {
	token, shown := BearerToken(c)
	if shown {
		by, err = Verify(token, tokens)
	} else {
		by, err = ambient(c, tokens)
	}
	if err == nil {
		err = conn.Admit(c.Context(), by)
	}
	return by, err
}

// BearerToken returns a request's token as it was sent. It is a part of the request.
func BearerToken(c *fiber.Ctx) (token string, shown bool) {
	header := utils.UnsafeString(c.Context().Request.Header.Peek(fiber.HeaderAuthorization))
	scheme, token, _ := strings.Cut(header, " ")
	return strings.Trim(token, " "), strings.EqualFold(scheme, "Bearer")
}

// Verify returns for which principal a token speaks that BearerToken has returned.
func Verify(token string, tokens ports.Tokens) (domain.Principal, error) {
	return asSentOrDecoded(token, tokens.Verify)
}

// asSentOrDecoded returns what accept makes of the text in Authorization as it was sent, or else percent-decoded.
func asSentOrDecoded[T any](text string, accept func(text string) (T, error)) (value T, err error) {
	value, err = accept(text)
	if err != nil && strings.Contains(text, "%") {
		if decoded, malformed := url.PathUnescape(text); malformed == nil {
			value, err = accept(decoded)
		}
	}
	return value, err
}

// ambient returns the user that a trusted proxy names. The browser adds what the proxy knows the user by to the requests of any page, so whatever can
// change something has to come from a page of this server.
func ambient(c *fiber.Ctx, tokens ports.Tokens) (domain.Principal, error) {
	by, err := named(c, tokens)
	if err == nil && !c.Context().IsGet() && !c.Context().IsHead() && !ofThisServer(c.Context()) {
		return domain.Principal{}, problem.ErrOtherOrigin
	}
	return by, err
}

// named returns the user that a trusted proxy names, wherever the request comes from.
func named(c *fiber.Ctx, tokens ports.Tokens) (domain.Principal, error) {
	name, err := conn.NamedUser(c.Context())
	if err != nil {
		return domain.Principal{}, fmt.Errorf("%w: %w", domain.ErrUnauthenticated, err)
	}
	if name == "" {
		return domain.Principal{}, errNoToken
	}
	user, err := domain.ParseSignedIn(strings.Clone(name))
	if err != nil {
		return domain.Principal{}, fmt.Errorf("%w: the proxy names what is no user: %w", domain.ErrUnauthenticated, err)
	}
	return tokens.Principal(user), nil
}

// ofThisServer reports whether a request comes from a page of this server. Browsers say so in Sec-Fetch-Site (Fetch Metadata), but not over plain
// HTTP from another machine; they all send Origin with what is neither GET nor HEAD (Fetch Standard, 3.2).
func ofThisServer(ctx *fasthttp.RequestCtx) bool {
	header := &ctx.Request.Header
	if site := header.Peek("Sec-Fetch-Site"); len(site) > 0 {
		return string(site) == "same-origin"
	}
	origin, err := url.Parse(string(header.Peek(fasthttp.HeaderOrigin)))
	if err != nil || origin.Host == "" {
		return false
	}
	port := map[string]string{"http": ":80", "https": ":443"}[origin.Scheme]
	return strings.EqualFold(origin.Host, strings.TrimSuffix(string(header.Host()), port))
}

// Again returns a function that verifies a request again, by the rules that hold when it is called. It may be called after the request.
func Again(c *fiber.Ctx, by domain.Principal, tokens ports.Tokens) func() (domain.Principal, error) {
	if token, shown := BearerToken(c); shown {
		token = strings.Clone(token)
		return func() (domain.Principal, error) { return Verify(token, tokens) }
	}
	believed := conn.Believed(c.Context())
	return func() (domain.Principal, error) {
		if !believed() {
			return domain.Principal{}, errNoToken
		}
		again := tokens.Principal(by.User)
		again.Until = by.Until
		return again, nil
	}
}
