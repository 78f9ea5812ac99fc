package http

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// cors tells browsers which pages of other servers may use API v1 (Fetch Standard, 3.2). The original API is not for browsers.
type cors struct {
	origins []string
	any     bool
}

func newCORS(origins []string) *cors {
	return &cors{origins: origins, any: slices.Contains(origins, "*")}
}

const (
	corsMethods = "GET, PUT, POST, DELETE"
	corsHeaders = "Authorization, Content-Type, If-None-Match, Last-Event-ID, Cache-Control"
	corsExposed = "ETag, Retry-After, WWW-Authenticate"
	corsMaxAge  = "7200" // seconds; browsers take no more
)

var prefixV1 = []byte("/v1/")

// handle sets what the answer to a page needs, whatever the answer will be. If the request is only the browser's question whether it may ask,
// it is answered, and done is true.
func (c *cors) handle(ctx *fasthttp.RequestCtx) (done bool) {
	if !bytes.HasPrefix(ctx.URI().PathOriginal(), prefixV1) {
		return false
	}
	header := &ctx.Response.Header
	if len(c.origins) > 0 && !c.any {
		header.Add(fasthttp.HeaderVary, fasthttp.HeaderOrigin)
	}
	preflight := string(ctx.Method()) == fasthttp.MethodOptions
	if !preflight && len(c.origins) == 0 {
		return false
	}
	origin := ctx.Request.Header.Peek(fasthttp.HeaderOrigin)
	preflight = preflight && len(ctx.Request.Header.Peek(fasthttp.HeaderAccessControlRequestMethod)) > 0
	switch {
	case len(origin) == 0:
		return false
	case c.any:
		header.Set(fasthttp.HeaderAccessControlAllowOrigin, "*")
	case slices.Contains(c.origins, string(origin)):
		header.SetBytesV(fasthttp.HeaderAccessControlAllowOrigin, origin)
	case preflight:
		respond(ctx, newProblem(fasthttp.StatusForbidden, "http.cors_origins does not name the page's origin"))
		return true
	default:
		return false
	}
	if !preflight {
		header.Set(fasthttp.HeaderAccessControlExposeHeaders, corsExposed)
		return false
	}
	header.Set(fasthttp.HeaderAccessControlAllowMethods, corsMethods)
	header.Set(fasthttp.HeaderAccessControlAllowHeaders, corsHeaders)
	header.Set(fasthttp.HeaderAccessControlMaxAge, corsMaxAge)
	setHeader(ctx)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return true
}

// validateOrigins returns what is wrong with the configured origins. A browser sends an origin in one form only (RFC 6454, 6.2), with which it is
// compared to the byte.
func validateOrigins(origins []string) (faults []error) {
	for i, origin := range origins {
		switch {
		case origin == "*" && len(origins) > 1:
			faults = append(faults, fmt.Errorf("http.cors_origins: * is every origin, so no other can be named beside it"))
		case origin != "*" && canonicalOrigin(origin) == "":
			faults = append(faults, fmt.Errorf("http.cors_origins: %q is not an origin, e.g. https://intranet.example.test or http://localhost:8080", origin))
		case origin != "*" && canonicalOrigin(origin) != origin:
			faults = append(faults, fmt.Errorf("http.cors_origins: browsers write %q as %q", origin, canonicalOrigin(origin)))
		case slices.Contains(origins[:i], origin):
			faults = append(faults, fmt.Errorf("http.cors_origins: %s is there twice", origin))
		}
	}
	return faults
}

// canonicalOrigin returns an origin as a browser writes it, without the scheme's own port; empty if it is none.
func canonicalOrigin(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery ||
		strings.Contains(origin, "#") || u.Path != "" && u.Path != "/" || u.Hostname() == "" || strings.Contains(u.Host, "*") {
		return ""
	}
	host := strings.ToLower(u.Host)
	host = strings.TrimSuffix(host, ":"+map[string]string{"http": "80", "https": "443"}[u.Scheme])
	for _, c := range host {
		if c > '~' || !hostBytes[c] {
			return "" // a browser would send it in Punycode
		}
	}
	return u.Scheme + "://" + strings.TrimSuffix(host, ":")
}
