// Package body reads the bodies of requests, when a handler asks for them. Memory grows with what arrives, whatever the header announces, and the
// large bodies of all requests together are bounded.
package body

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/problem"
)

const (
	// Max is the largest body of a request, in bytes.
	Max = 1 << 20

	// Small is up to which size fasthttp reads a body of known length before it calls a handler, in bytes. Small bodies are not counted: they are
	// bounded by the number of connections, and an update of one user has to get through while others send large bodies.
	Small = 8 << 10

	// kept is the largest memory that is used again for the next body, in bytes.
	kept = 256 << 10
)

// Reader reads bodies. It may be used concurrently.
type Reader struct {
	limit   atomic.Int64 // of counted
	counted atomic.Int64
}

// NewReader makes a reader whose large bodies take at most so many bytes of memory, all together.
func NewReader(limit int64) *Reader {
	r := new(Reader)
	r.SetLimit(limit)
	return r
}

// SetLimit changes the limit. Bodies that have their memory keep it.
func (r *Reader) SetLimit(limit int64) { r.limit.Store(limit) }

// Body is the memory of one body. It may be used again after Release.
type Body struct {
	Text    []byte
	reader  *Reader
	counted int64
}

// Release forgets the text, which nobody may use afterwards.
func (b *Body) Release() {
	if b.counted > 0 {
		b.reader.counted.Add(-b.counted)
	}
	if cap(b.Text) > kept {
		b.Text = nil
	}
	*b = Body{Text: b.Text[:0]}
}

// Read reads the body of a request, which takes until it has arrived or the time for it is over. It replaces what was in the memory that it reads
// into. The error is one of problem.ErrUnread or problem.ErrBodies.
func (r *Reader) Read(ctx *fasthttp.RequestCtx, into *Body) error {
	into.Text = into.Text[:0]
	from := ctx.RequestBodyStream()
	if from == nil { // it is all there, if there is one
		into.Text = append(into.Text, ctx.Request.Body()...)
		return nil
	}
	length := ctx.Request.Header.ContentLength()
	switch {
	case length > Max:
		return unread(fasthttp.ErrBodyTooLarge)
	case length >= 0 && length <= Small:
		into.Text = slices.Grow(into.Text, length)[:length]
		_, err := io.ReadFull(from, into.Text)
		return unread(err)
	}
	if err := r.readLarge(from, into); err != nil {
		return err
	}
	if length >= 0 && len(into.Text) < length {
		return unread(io.ErrUnexpectedEOF)
	}
	_ = ctx.Request.CloseBodyStream() // tells Unread
	return nil
}

// Counted returns how much memory the large bodies take at present, in bytes.
func (r *Reader) Counted() int64 { return r.counted.Load() }

// None reports whether a request has no body. It reads nothing.
func None(ctx *fasthttp.RequestCtx) bool {
	return ctx.RequestBodyStream() == nil && len(ctx.Request.Body()) == 0
}

// Unread reports whether some of a request's body may be on its way still.
func Unread(ctx *fasthttp.RequestCtx) bool {
	length := ctx.Request.Header.ContentLength()
	return (length > Small || length == -1) && ctx.RequestBodyStream() != nil
}

func unread(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", problem.ErrUnread, err)
}

// readLarge reads to the end of a body that is not small, or whose length is not known.
func (r *Reader) readLarge(from io.Reader, into *Body) error {
	into.reader = r
	if cap(into.Text) > Small && !r.count(into, cap(into.Text)) {
		into.Text = nil
	}
	for {
		if len(into.Text) == cap(into.Text) {
			if len(into.Text) > Max {
				return unread(fasthttp.ErrBodyTooLarge)
			}
			if !r.grow(into) {
				return problem.ErrBodies
			}
		}
		n, err := from.Read(into.Text[len(into.Text):cap(into.Text)])
		into.Text = into.Text[:len(into.Text)+n]
		switch {
		case len(into.Text) > Max:
			return unread(fasthttp.ErrBodyTooLarge)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return unread(err)
		}
	}
}

// grow doubles the memory of a body, unless all bodies together would have too much then.
func (r *Reader) grow(into *Body) bool {
	size := min(max(2*cap(into.Text), 2*Small), Max+1) // one more byte shows that there is too much
	if !r.count(into, size) {
		return false
	}
	text := make([]byte, len(into.Text), size)
	copy(text, into.Text)
	into.Text = text
	return true
}

// count takes note of a body's new size, unless it is too much.
func (r *Reader) count(into *Body, size int) bool {
	more := int64(size) - into.counted
	if r.counted.Add(more) > r.limit.Load() {
		r.counted.Add(-more)
		return false
	}
	into.counted = int64(size)
	return true
}
