// Package respond holds what the answers of all handlers have in common.
package respond

import (
	"bytes"
	"io"
	"iter"

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

// Stream answers with pieces that are made while they are sent, for an answer that is too large to be made in memory at once. Each piece is used
// before the next one is made. A size of -1 is not known, which only HTTP/1.1 can tell. release is called when the answer was sent, or could not be.
func Stream(ctx *fasthttp.RequestCtx, pieces iter.Seq[[]byte], size int, release func()) {
	next, stop := iter.Pull(pieces)
	ctx.Response.SetBodyStream(&stream{next: next, stop: stop, release: release}, size)
}

type stream struct {
	next          func() ([]byte, bool)
	stop, release func()
	rest          []byte // of the piece that is being sent
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (n int, err error) {
	for len(s.rest) == 0 {
		var more bool
		if s.rest, more = s.next(); !more {
			return 0, io.EOF
		}
	}
	n = copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// WriteTo implements io.WriterTo, which fasthttp prefers for an answer of a known size: it need not copy the pieces.
func (s *stream) WriteTo(w io.Writer) (written int64, err error) {
	for more := true; more && err == nil; s.rest, more = s.next() {
		var n int
		n, err = w.Write(s.rest)
		written += int64(n)
	}
	return written, err
}

// Close is called by fasthttp when the answer was sent, or could not be.
func (s *stream) Close() error {
	s.stop()
	s.release()
	return nil
}
