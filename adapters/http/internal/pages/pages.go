package pages

import (
	"github.com/gofiber/fiber/v2"

	"github.com/zarafa/presence/adapters/http/internal/respond"
)

// policy is the content security policy of all that a browser gets. A page can run scripts of this server alone and talk to it alone, so that
// a text that somebody has set as a message can do no harm in it; and it cannot be shown inside another page, where a click would not
// mean what it seems to.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Serve answers GET and HEAD with the file, or says that the client has it already. The files hold nothing about anybody, so no token is
// asked for.
func (f *File) Serve(c *fiber.Ctx) error {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentSecurityPolicy, policy)
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderCacheControl, "no-cache") // keep it, but ask whether it is still the same: the next version has the same address
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	if f.Anywhere {
		c.Set(fiber.HeaderAccessControlAllowOrigin, "*") // a module is only imported from another host that says so
	}
	request := &c.Context().Request.Header
	body, tag, coding := f.Body, f.ETag, ""
	if f.Gzip != nil && respond.AcceptsGzip(request) {
		body, tag, coding = f.Gzip, f.GzipETag, "gzip"
	}
	c.Set(fiber.HeaderETag, tag)
	if respond.Has(request, []byte(tag)) {
		c.Status(fiber.StatusNotModified)
		return nil
	}
	if coding != "" {
		c.Set(fiber.HeaderContentEncoding, coding)
	}
	c.Set(fiber.HeaderContentType, f.Type)
	c.Context().Response.SetBodyRaw(body) // nobody writes to it
	return nil
}
