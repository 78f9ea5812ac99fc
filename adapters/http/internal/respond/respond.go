// Package respond holds what the answers of all handlers have in common.
package respond

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// JSON is the content type of answers.
var JSON = []byte("application/json")

var (
	nameCache, noStore = []byte("Cache-Control"), []byte("no-store")
	mayKeep            = []byte("private, no-cache")
	nameSniff, noSniff = []byte("X-Content-Type-Options"), []byte("nosniff")

	// An answer is data. A browser that is made to show it as a page, or inside one, must not run or fetch anything because of it.
	namePolicy, apiPolicy    = []byte("Content-Security-Policy"), []byte("default-src 'none'; frame-ancestors 'none'")
	nameReferrer, noReferrer = []byte("Referrer-Policy"), []byte("no-referrer")
)

// Headers sets what every answer has that is not a page.
func Headers(header *fasthttp.ResponseHeader) {
	header.SetCanonical(nameCache, noStore)
	header.SetCanonical(nameSniff, noSniff)
	header.SetCanonical(namePolicy, apiPolicy)
	header.SetCanonical(nameReferrer, noReferrer)
}

// Cacheable lets the client keep an answer, if it asks each time whether it is still the same.
func Cacheable(header *fasthttp.ResponseHeader) {
	header.SetCanonical(nameCache, mayKeep)
}

// Has reports whether the client has the answer with this strong tag already: If-None-Match names it, by the weak comparison (RFC 9110,
// 13.1.2).
func Has(request *fasthttp.RequestHeader, tag []byte) bool {
	wanted := request.Peek(fasthttp.HeaderIfNoneMatch)
	for part := range bytes.SplitSeq(wanted, []byte{','}) {
		part = bytes.TrimSpace(part)
		if string(part) == "*" || bytes.Equal(bytes.TrimPrefix(part, []byte("W/")), tag) {
			return true
		}
	}
	return false
}
