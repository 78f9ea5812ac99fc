package v1

import (
	"net/url"

	"github.com/gofiber/fiber/v2"

	"github.com/zarafa/presence/adapters/http/internal/respond"
)

// Provider is the OpenID provider by which people sign in, as a page has to know it. The endpoints are empty until the provider has told them.
type Provider struct {
	Issuer                string
	ClientID              string
	Audience              string // of the tokens that the daemon accepts
	Scope                 string // what a page asks for
	AuthorizationEndpoint string
	TokenEndpoint         string
	EndSessionEndpoint    string // may stay empty
}

// Origin returns where a page fetches tokens, as a content security policy has it, or nothing if that is not known.
func (p Provider) Origin() string {
	u, err := url.Parse(p.TokenEndpoint)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// signIn says how a page can sign people in, as JSON. Every key is always there.
type signIn struct {
	User *string         `json:"user"`
	OIDC *signInProvider `json:"oidc"`
}

type signInProvider struct {
	Issuer                string  `json:"issuer"`
	ClientID              string  `json:"client_id"`
	Audience              string  `json:"audience"`
	Scope                 string  `json:"scope"`
	AuthorizationEndpoint *string `json:"authorization_endpoint"`
	TokenEndpoint         *string `json:"token_endpoint"`
	EndSessionEndpoint    *string `json:"end_session_endpoint"`
}

// SignInBy says what tells by which provider people sign in, if by any. It may be called while requests are served.
func (a *API) SignInBy(provider func() (Provider, bool)) { a.provider.Store(&provider) }

// GetSignIn answers how people can sign in, and which user a proxy has signed in already. It needs no token.
func (a *API) GetSignIn(c *fiber.Ctx) error {
	if err := noQuery(c); err != nil {
		return err
	}
	var document signIn
	if by, err := named(c, a.tokens); err == nil {
		user := string(by.User)
		document.User = &user
	}
	if p, on := (*a.provider.Load())(); on {
		document.OIDC = &signInProvider{
			p.Issuer, p.ClientID, p.Audience, p.Scope,
			orNull(p.AuthorizationEndpoint), orNull(p.TokenEndpoint), orNull(p.EndSessionEndpoint),
		}
	}
	respond.Headers(&c.Context().Response.Header)
	return c.JSON(document, string(respond.JSON))
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
