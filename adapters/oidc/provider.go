package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zarafa/presence/dial"
	"github.com/zarafa/presence/domain"
)

const (
	fetchTimeout = 10 * time.Second // of one document
	maxDocument  = 512 << 10        // bytes
)

// Provider is what a page has to know to sign people in. Until the provider has answered once, the endpoints are empty.
type Provider struct {
	Issuer                string
	ClientID              string
	Audience              string // of the tokens that the daemon accepts
	Scope                 string // what a page asks for
	AuthorizationEndpoint string
	TokenEndpoint         string
	EndSessionEndpoint    string // may be missing
}

// metadata is what is used of a provider's description of itself (OpenID Connect Discovery 1.0, section 3).
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	ScopesSupported       []string `json:"scopes_supported"`
}

// fetched is what a provider has said.
type fetched struct {
	metadata metadata
	keys     keySet
	at       domain.Timestamp // when that began
}

// fetch asks a provider for its description, and for its keys.
func fetch(ctx context.Context, client *http.Client, issuer string) (*fetched, error) {
	text, err := get(ctx, client, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	f := new(fetched)
	if err := json.Unmarshal(text, &f.metadata); err != nil {
		return nil, fmt.Errorf("the provider's description is not one: %w", err)
	}
	if err := f.metadata.check(issuer); err != nil {
		return nil, err
	}
	if text, err = get(ctx, client, f.metadata.JWKSURI); err != nil {
		return nil, err
	}
	f.keys, err = parseKeys(text)
	return f, err
}

// check refuses a description of somebody else, or with an address that must not be used.
func (m *metadata) check(issuer string) error {
	if m.Issuer != issuer {
		return fmt.Errorf("the provider calls itself %q, and oidc.issuer must be the same, to the letter", m.Issuer)
	}
	for _, needed := range []struct{ name, address string }{
		{"jwks_uri", m.JWKSURI}, {"authorization_endpoint", m.AuthorizationEndpoint}, {"token_endpoint", m.TokenEndpoint},
	} {
		if err := checkURL(needed.address); err != nil {
			return fmt.Errorf("the provider's %s: %w", needed.name, err)
		}
	}
	if checkURL(m.EndSessionEndpoint) != nil {
		m.EndSessionEndpoint = ""
	}
	return nil
}

// get returns a document. Its error names the address once.
func get(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		if failed, is := errors.AsType[*url.Error](err); is {
			err = failed.Err
		}
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: the answer is %s", address, response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	if len(text) > maxDocument {
		return nil, fmt.Errorf("%s: the answer has more than %d bytes", address, maxDocument)
	}
	return text, nil
}

// newClient makes what asks a provider. All that it does ends with ctx.
func newClient(ctx context.Context, cfg Config, resolver *net.Resolver) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = dial.Within(ctx, &net.Dialer{Timeout: fetchTimeout, Resolver: resolver})
	transport.TLSClientConfig = cfg.Roots.ClientTLS("", false)
	transport.DisableKeepAlives = true // minutes lie between two requests
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it may lead anywhere
	}
}
