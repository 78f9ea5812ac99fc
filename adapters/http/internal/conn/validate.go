package conn

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// Validate says what in the header of a request another HTTP implementation, a proxy in front of this server, could understand differently,
// so that a request could be smuggled past it (RFC 9112, 6.3 and 11.2) or taken for another host's (3.2). It returns "" if there is nothing.
//
// It looks only at what fasthttp lets pass. fasthttp itself refuses: Content-Length twice, or not a number; Transfer-Encoding twice, in
// HTTP/1.0, or neither chunked nor identity; no Host, an empty one, or two; a name with a space behind it; control characters. The
// tests of package http send all of it.
func Validate(header *fasthttp.RequestHeader) string {
	if p := header.Protocol(); string(p) != "HTTP/1.1" && string(p) != "HTTP/1.0" {
		return "the protocol is neither HTTP/1.1 nor HTTP/1.0"
	}
	for _, c := range header.Host() {
		if !HostBytes[c] {
			return "Host is not a host"
		}
	}
	var length, encoding bool
	for line := range bytes.Lines(header.RawHeaders()) {
		switch line[0] {
		case ' ', '\t':
			return "a header line is folded"
		case 'C', 'c':
			length = length || is(line, "content-length")
		case 'T', 't':
			if is(line, "transfer-encoding") {
				encoding = true
				if header.ContentLength() != -1 {
					return "Transfer-Encoding is not chunked"
				}
			}
		}
	}
	if length && encoding {
		return "Content-Length and Transfer-Encoding exclude each other"
	}
	return ""
}

// is reports whether a header line is the one with the given name, which is in lower case.
func is(line []byte, name string) bool {
	return len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name))
}

// HostBytes are the characters that a host and a port can have (RFC 3986, 3.2.2 and 3.2.3).
var HostBytes = func() (table [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+,;=:[]") {
		table[c] = true
	}
	return table
}()
