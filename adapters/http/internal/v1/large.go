package v1

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/minio/highwayhash"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/respond"
)

// sendLarge answers with what is too large to be made in memory at once. It is made once for its size and its tag, and once more while it is
// sent.
func sendLarge(ctx *fasthttp.RequestCtx, b *buffers, answer *users) {
	hash, err := highwayhash.NewDigest64(tagKey[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	size := b.measure(answer, hash)
	compress := compresses(ctx, size) && ctx.Request.Header.IsHTTP11() // which knows bodies whose size is not told
	if ctx.IsGet() && sendKnown(ctx, hash.Sum64()) {
		b.Release()
		return
	}
	respond.Headers(&ctx.Response.Header)
	if ctx.IsGet() {
		respond.Cacheable(&ctx.Response.Header)
	}
	ctx.Response.Header.SetContentTypeBytes(respond.JSON)
	large := &largeAnswer{text: newDocument(answer), buffers: b}
	if compress {
		ctx.Response.Header.Set(fasthttp.HeaderContentEncoding, "gzip")
		large.packer = packers.Get().(*gzip.Writer)
		large.packer.Reset(&large.packed)
		size = -1
	}
	ctx.Response.SetBodyStream(large, size)
}

// measure returns the size of an answer, and writes all but its head to hash.
func (b *buffers) measure(answer *users, hash io.Writer) (size int) {
	skip := answer.head() // of the first piece
	for text := newDocument(answer); text.more(); {
		b.body = text.append(b.body[:0])
		size += len(b.body)
		_, _ = hash.Write(b.body[skip:]) // which takes everything
		skip = 0
	}
	return size
}

// largeAnswer is an answer that fasthttp fetches while it sends it. The answer refers to the buffers, and releases them then.
type largeAnswer struct {
	text    *document
	buffers *buffers

	packer *gzip.Writer // nil if the answer is not compressed
	packed bytes.Buffer
}

// WriteTo writes the answer as it is, piece by piece.
func (a *largeAnswer) WriteTo(w io.Writer) (written int64, err error) {
	b := a.buffers
	for a.text.more() && err == nil {
		var n int
		b.body = a.text.append(b.body[:0])
		n, err = w.Write(b.body)
		written += int64(n)
	}
	return written, err
}

// Read returns the next bytes of the compressed answer.
func (a *largeAnswer) Read(p []byte) (int, error) {
	b := a.buffers
	for a.packed.Len() == 0 {
		if !a.text.more() {
			return 0, io.EOF
		}
		b.body = a.text.append(b.body[:0])
		_, _ = a.packer.Write(b.body) // a buffer takes everything
		if !a.text.more() {
			_ = a.packer.Close()
		}
	}
	return a.packed.Read(p)
}

// Close is called by fasthttp when the answer was sent, or could not be.
func (a *largeAnswer) Close() error {
	if a.packer != nil {
		a.packer.Reset(nil)
		packers.Put(a.packer)
	}
	a.buffers.Release()
	return nil
}
