package v1

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
)

// CORS tells browsers which pages of other servers may use API v1 (Fetch Standard, 3.2). The original API is not for browsers. Fiber's own
// middleware does not refuse a preflight, and so cannot say which key of the configuration is at fault.
type CORS []string // the origins, which ValidateOrigins accepts

const (
	corsMethods = "GET, PUT, POST, DELETE"
	corsHeaders = "Authorization, Content-Type, If-None-Match, Last-Event-ID, Cache-Control, X-Request-Id"
	corsExposed = "ETag, Retry-After, WWW-Authenticate, X-Request-Id"
	corsMaxAge  = "7200" // seconds; browsers take no more
)

var prefix = []byte("/v1/")

// Serves reports whether a request is one of API v1.
func Serves(ctx *fasthttp.RequestCtx) bool { return bytes.HasPrefix(ctx.URI().PathOriginal(), prefix) }

// Handle sets what the answer to a page needs, whatever the answer will be. If the request is only the browser's question whether it may ask
// (a preflight), it is answered, and done is true; or the error says why it may not.
func (c CORS) Handle(ctx *fasthttp.RequestCtx) (done bool, err error) {
	if !Serves(ctx) {
		return false, nil
	}
	header := &ctx.Response.Header
	all := slices.Contains(c, "*")
	if len(c) > 0 && !all {
		header.Add(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	}
	origin := ctx.Request.Header.Peek(fasthttp.HeaderOrigin)
	preflight := ctx.IsOptions() && len(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) > 0
	switch {
	case len(origin) == 0:
		return false, nil
	case all:
		header.Set(fasthttp.HeaderAccessControlAllowOrigin, "*")
	case slices.Contains(c, string(origin)):
		header.SetBytesV(fasthttp.HeaderAccessControlAllowOrigin, origin)
	case preflight:
		return false, problem.ErrForbiddenOrigin
	default:
		return false, nil
	}
	if !preflight {
		header.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposed)
		return false, nil
	}
	header.Set(fasthttp.HeaderAccessControlAllowMethods, corsMethods)
	header.Set(fasthttp.HeaderAccessControlAllowHeaders, corsHeaders)
	header.Set(fasthttp.HeaderAccessControlMaxAge, corsMaxAge)
	respond.Headers(header)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return true, nil
}

// Validate returns what is wrong with the configured origins. One can be * if it is alone.
func (c CORS) Validate() (faults []error) {
	if len(c) > 1 && slices.Contains(c, "*") {
		return append(faults, fmt.Errorf("http.cors_origins: * is every origin, so no other can be named beside it"))
	}
	if slices.Contains(c, "*") {
		return nil
	}
	return ValidateOrigins("http.cors_origins", c)
}

// ValidateOrigins returns what is wrong with the origins of a key. A browser sends an origin in one form only (RFC 6454, 6.2), with which it is
// compared to the byte.
func ValidateOrigins(key string, origins []string) (faults []error) {
	for i, origin := range origins {
		switch {
		case canonicalOrigin(origin) == "":
			faults = append(faults, fmt.Errorf("%s: %q is not an origin, e.g. https://intranet.example.test or http://localhost:8080", key, origin))
		case canonicalOrigin(origin) != origin:
			faults = append(faults, fmt.Errorf("%s: browsers write %q as %q", key, origin, canonicalOrigin(origin)))
		case slices.Contains(origins[:i], origin):
			faults = append(faults, fmt.Errorf("%s: %s is there twice", key, origin))
		}
	}
	return faults
}

// canonicalOrigin returns an origin as a browser writes it, without the scheme's own port; empty if it is none.
func canonicalOrigin(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery ||
		strings.Contains(origin, "#") || u.Path != "" && u.Path != "/" || u.Hostname() == "" || strings.ContainsAny(u.Host, "*,;") {
		return ""
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil && u.Port() != "" {
		return ""
	}
	host := strings.ToLower(u.Host)
	host = strings.TrimSuffix(host, ":"+map[string]string{"http": "80", "https": "443"}[u.Scheme])
	for i := range len(host) {
		if !conn.HostBytes[host[i]] {
			return "" // a browser would send it in Punycode
		}
	}
	return u.Scheme + "://" + strings.TrimSuffix(host, ":")
}
