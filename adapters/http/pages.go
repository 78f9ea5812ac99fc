package http

import (
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/web"
)

// pagePolicy is the content security policy of all that a browser gets. A page can run scripts of this server alone and talk to it alone, so that
// a text that somebody has set as a message can do no harm in it; and it cannot be shown inside another page, where a click would not
// mean what it seems to.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// addPages lets the router serve the files that a browser gets. They hold nothing about anybody, so no token is asked for.
func addPages(app *fiber.App) {
	for _, file := range web.Files() {
		serve := func(c *fiber.Ctx) error {
			servePage(c.Context(), file)
			return nil
		}
		app.Add(fiber.MethodGet, file.Path, serve)
		app.Add(fiber.MethodHead, file.Path, serve)
	}
}

// servePage answers with a file, or says that the client has it already.
func servePage(ctx *fasthttp.RequestCtx, file *web.File) {
	header := &ctx.Response.Header
	header.SetCanonical(nameSniff, noSniff)
	header.Set(fasthttp.HeaderContentSecurityPolicy, pagePolicy)
	header.Set(fasthttp.HeaderReferrerPolicy, "no-referrer")
	header.Set(fasthttp.HeaderCacheControl, "no-cache") // keep it, but ask whether it is still the same: the next version has the same address
	header.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	if file.Anywhere {
		header.Set(fasthttp.HeaderAccessControlAllowOrigin, "*") // a module is only imported from another host that says so
	}
	body, tag := file.Body, file.ETag
	if file.Gzip != nil && acceptsGzip(string(ctx.Request.Header.Peek(fasthttp.HeaderAcceptEncoding))) {
		body, tag = file.Gzip, file.GzipETag
		header.Set(fasthttp.HeaderContentEncoding, "gzip")
	}
	header.Set(fasthttp.HeaderETag, tag)
	if hasTag(string(ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch)), tag) {
		header.Del(fasthttp.HeaderContentEncoding)
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return
	}
	header.SetContentType(file.Type)
	ctx.Response.SetBodyRaw(body) // nobody writes to it
}

// acceptsGzip reports whether an Accept-Encoding names gzip, and not only to refuse it (RFC 9110, 12.5.3).
func acceptsGzip(accepted string) bool {
	for part := range strings.SplitSeq(accepted, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			name, value, _ := strings.Cut(weight, "=")
			return !strings.EqualFold(strings.TrimSpace(name), "q") || strings.Trim(strings.TrimSpace(value), "0.") != ""
		}
	}
	return false
}

// hasTag reports whether an If-None-Match names a tag, by the weak comparison (RFC 9110, 13.1.2).
func hasTag(wanted, tag string) bool {
	for part := range strings.SplitSeq(wanted, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}
