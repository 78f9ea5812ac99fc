package http

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// handle is every request's way in.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	defer s.recover(ctx)
	if s.stopping.Load() {
		ctx.SetConnectionClose()
	}
	if why := ambiguity(&ctx.Request.Header); why != "" {
		refuse(ctx, fmt.Errorf("%w: %s", errBadHTTP, why))
		return
	}
	if method := ctx.Method(); !slices.Contains(routable, string(method)) { // which Fiber would call a bad request
		if string(ctx.Path()) == "/" {
			refuse(ctx, errMethod)
			return
		}
		ctx.Request.Header.SetMethod(fiber.MethodTrace) // which no path has: it is told which there are
		ctx.SetConnectionClose()
	}
	if done := s.cors.handle(ctx); done {
		return
	}
	if err := s.readiness.Ready(); err != nil {
		respond(ctx, err)
	} else {
		s.next(ctx)
	}
	if c, ok := ctx.Conn().(*conn); ok && c.stream != nil {
		c.stream.Head = ctx.Response.Header.AppendBytes(nil)
	}
	ctx.Request.ReleaseBody(maxWhole) // or the connection would keep its largest body until it is closed
}

// recover keeps a fault in the handling of one request from ending the daemon.
func (s *Server) recover(ctx *fasthttp.RequestCtx) {
	fault := recover()
	if fault == nil {
		return
	}
	s.log.Error("a request made the server panic", "panic", fault, "stack", string(debug.Stack()))
	ctx.Response.Reset()
	refuse(ctx, errPanic)
}

// refuseUnread answers a request that could not be read to its end. fasthttp closes the connection afterwards.
func (s *Server) refuseUnread(ctx *fasthttp.RequestCtx, err error) {
	refuse(ctx, fmt.Errorf("%w: %w", errUnread, err))
}

// refuse answers with a problem and closes the connection: where the next request would begin is in doubt.
func refuse(ctx *fasthttp.RequestCtx, err error) {
	respond(ctx, err)
	ctx.SetConnectionClose()
	if c, ok := ctx.Conn().(*conn); ok {
		c.linger = true
	}
}

// ambiguity says what in a header another HTTP implementation, a proxy in front of this server, could understand differently, so
// that a request could be smuggled past it (RFC 9112, 6.3 and 11.2) or taken for another host's (3.2). fasthttp is lenient in all of
// these points.
func ambiguity(header *fasthttp.RequestHeader) string {
	if p := header.Protocol(); string(p) != "HTTP/1.1" && string(p) != "HTTP/1.0" {
		return "the protocol is neither HTTP/1.1 nor HTTP/1.0"
	}
	const control = "a header line contains a control character"
	var lengths, encodings, hosts int
	rest := header.RawHeaders()
	if bytes.IndexByte(rest, 0) >= 0 {
		return control
	}
	for len(rest) > 0 {
		line := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			line, rest = rest[:end], rest[end+1:]
		} else {
			rest = nil
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if len(line) == 0 {
			break
		}
		switch line[0] {
		case 'C', 'c':
			if value, is := field(line, "content-length"); is {
				lengths++
				if !plausibleLength(value) {
					return "Content-Length is not a number of bytes"
				}
			}
		case 'T', 't':
			if value, is := field(line, "transfer-encoding"); is {
				encodings++
				if !bytes.EqualFold(value, []byte("chunked")) {
					return "Transfer-Encoding is not chunked"
				}
			}
		case 'H', 'h':
			if value, is := field(line, "host"); is {
				hosts++
				if !plausibleHost(value) {
					return "Host is not a host"
				}
			}
		case ' ', '\t':
			return "a header line is folded"
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			return control
		}
	}
	switch {
	case hosts == 0 && header.IsHTTP11():
		return "Host is missing"
	case hosts > 1:
		return "Host is there twice"
	case lengths > 1:
		return "Content-Length is there twice"
	case encodings > 1:
		return "Transfer-Encoding is there twice"
	case lengths > 0 && encodings > 0:
		return "Content-Length and Transfer-Encoding exclude each other"
	}
	return ""
}

// field returns the value of a header line if it is the one with the given name, which is in lower case.
func field(line []byte, name string) (value []byte, is bool) {
	if len(line) <= len(name) || line[len(name)] != ':' {
		return nil, false
	}
	for i := range len(name) {
		if line[i]|0x20 != name[i] { // of a hyphen and a letter this makes nothing that a name has
			return nil, false
		}
	}
	return bytes.Trim(line[len(name)+1:], " \t"), true
}

// plausibleHost reports whether value has only characters that a host and a port can have (RFC 3986, 3.2.2 and 3.2.3). It may be
// empty (RFC 9112, 3.2).
func plausibleHost(value []byte) bool {
	for _, c := range value {
		if !hostBytes[c] {
			return false
		}
	}
	return true
}

var hostBytes = func() (table [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+,;=:[]") {
		table[c] = true
	}
	return table
}()

// plausibleLength reports whether value is a decimal number that cannot have overflowed.
func plausibleLength(value []byte) bool {
	if len(value) == 0 || len(value) > 10 {
		return false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
