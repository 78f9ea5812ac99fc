package respond

import (
	"io"
	"iter"
	"slices"

	"github.com/valyala/fasthttp"
)

// Memory is what an answer was made in. It goes back to its pool when the answer was sent, or could not be.
type Memory interface{ Release() }

// smallBody is up to which size an answer is copied, in bytes. fasthttp keeps the copy as long as the connection.
const smallBody = 4 << 10

// Whole answers with a body that is in memory.
func Whole(ctx *fasthttp.RequestCtx, body []byte, memory Memory) {
	if len(body) <= smallBody {
		ctx.SetBody(body)
		memory.Release()
		return
	}
	Stream(ctx, slices.Values([][]byte{body}), len(body), memory)
}

// Stream answers with pieces that are made while they are sent, for an answer that is too large to be made in memory at once. Each piece is used
// before the next one is made. A size of -1 is not known, which only HTTP/1.1 can tell. There may be no memory to release.
func Stream(ctx *fasthttp.RequestCtx, pieces iter.Seq[[]byte], size int, memory Memory) {
	next, stop := iter.Pull(pieces)
	ctx.Response.SetBodyStream(&stream{next: next, stop: stop, memory: memory}, size)
}

type stream struct {
	next   func() ([]byte, bool)
	stop   func()
	memory Memory
	rest   []byte // of the piece that is being sent
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
	if s.memory != nil {
		s.memory.Release()
	}
	return nil
}
