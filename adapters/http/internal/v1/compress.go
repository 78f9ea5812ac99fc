package v1

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/respond"
)

// minPacked is from which size on an answer is worth compressing, in bytes.
const minPacked = 2 << 10

// packers compress at the quickest level, which makes about a tenth of a long list.
var packers = sync.Pool{New: func() any {
	packer, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // there is that level
	}
	return packer
}}

// pack appends what text is when it is compressed.
func pack(dst, text []byte) []byte {
	packer := packers.Get().(*gzip.Writer)
	defer packers.Put(packer)
	into := bytes.NewBuffer(dst)
	packer.Reset(into)
	_, _ = packer.Write(text) // a buffer takes everything
	_ = packer.Close()
	packer.Reset(nil)
	return into.Bytes()
}

// compresses reports whether an answer of the given size is to be compressed. It tells caches that the size depends on the request.
func compresses(ctx *fasthttp.RequestCtx, size int) bool {
	if size < minPacked {
		return false
	}
	ctx.Response.Header.Add(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	return respond.AcceptsGzip(&ctx.Request.Header)
}
