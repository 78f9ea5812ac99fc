package conn

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// Validate says what in the header of a request another HTTP implementation, a proxy in front of this server, could understand differently, so that
// a request could be smuggled past it (RFC 9112, 6.3 and 11.2) or taken for another host's (3.2). why is "" if there is nothing. Since it looks at each
// line it also returns the X-Request-Id, as it was sent, or nil.
//
// It looks only at what fasthttp lets pass. fasthttp itself refuses: Content-Length twice, or not a number; Transfer-Encoding twice, in
// HTTP/1.0, or neither chunked nor identity; no Host, an empty one, or two; a name with a space behind it; control characters in
// names and values. The tests of package http send all of it.
func Validate(header *fasthttp.RequestHeader) (requestID []byte, why string) {
	if p := header.Protocol(); string(p) != "HTTP/1.1" && string(p) != "HTTP/1.0" {
		return nil, "the protocol is neither HTTP/1.1 nor HTTP/1.0"
	}
	for _, c := range header.Host() {
		if !HostBytes[c] {
			return nil, "Host is not a host"
		}
	}
	var length, encoding bool
	for line := range bytes.Lines(header.RawHeaders()) {
		name := nameOf(line)
		switch line[0] {
		case '\r', '\n': // the end
			continue
		case ' ', '\t':
			return requestID, "a header line is folded"
		case 'C', 'c':
			length = length || bytes.EqualFold(name, nameLength)
		case 'X', 'x':
			if bytes.EqualFold(name, nameRequestID) {
				requestID = header.PeekBytes(nameRequestID)
			}
		case 'T', 't':
			if bytes.EqualFold(name, nameEncoding) {
				encoding = true
				if header.ContentLength() != -1 {
					return requestID, "Transfer-Encoding is not chunked"
				}
			}
		}
		if len(name) == 0 {
			return requestID, "the name of a header line is not a token"
		}
	}
	if length && encoding {
		return requestID, "Content-Length and Transfer-Encoding exclude each other"
	}
	return requestID, ""
}

var nameLength, nameEncoding = []byte("content-length"), []byte("transfer-encoding")

// nameOf returns the name of a header line. It returns nothing if that is not a token (RFC 9110, 5.6.2).
func nameOf(line []byte) []byte {
	for i, c := range line {
		if !tokenBytes[c] {
			if c == ':' {
				return line[:i]
			}
			break
		}
	}
	return nil
}

// tokenBytes are the characters of a token.
var tokenBytes = tableOf("!#$%&'*+-.^_`|~" + alphanumeric)

const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func tableOf(bytes string) (table [256]bool) {
	for i := range len(bytes) {
		table[bytes[i]] = true
	}
	return table
}

// HostBytes are the characters that a host and a port can have (RFC 3986, 3.2.2 and 3.2.3).
var HostBytes = tableOf("-._~%!$&'()*+,;=:[]" + alphanumeric)
