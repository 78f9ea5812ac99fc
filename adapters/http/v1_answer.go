package http

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/minio/highwayhash"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/document"
	"github.com/zarafa/presence/domain"
)

// answerUsers answers with what is known about the users that were asked for.
func (s *Server) answerUsers(ctx *fasthttp.RequestCtx, x *exchange, place func(domain.Problem) problemEntry) error {
	revision := s.feed.Revision() // first, so that whoever asks what has changed since misses nothing
	states, forgotten, err := s.feed.States(x.asked.Users, x.states[:0])
	x.states = states
	if err != nil {
		return s.refusedV1(ctx, x, err, place)
	}
	if x.asked.Again && x.asked.Since <= revision { // else it is of another life of the store
		x.keepChanged(forgotten)
	}
	answer := document.Users{Revision: revision, IDs: x.asked.Users, States: x.states}
	text := document.NewText(&answer)
	for x.body = x.body[:0]; text.More() && len(x.body) <= maxWhole; {
		x.body = text.Append(x.body)
	}
	switch {
	case text.More():
		respondLarge(ctx, x, &answer)
	case ctx.IsGet():
		respondTagged(ctx, x, x.body[answer.Head():])
	default:
		respondPacked(ctx, x, wantsPacked(ctx, len(x.body)))
	}
	return nil
}

// keepChanged leaves out those of whom nothing has changed.
func (x *exchange) keepChanged(forgotten domain.Revision) {
	kept := 0
	for i := range x.states {
		if x.states[i].ChangedSince(x.asked.Since, forgotten) {
			x.states[kept], x.asked.Users[kept] = x.states[i], x.asked.Users[i]
			kept++
		}
	}
	clear(x.states[kept:])
	x.states, x.asked.Users = x.states[:kept], x.asked.Users[:kept]
}

// respondTagged answers with the exchange's body, or says that the client has it already. The tag stands for the given part of the body: of a
// list it leaves out the revision, which grows with everybody's changes. It is a weak one because of that, and because the body may be
// sent compressed or not.
func respondTagged(ctx *fasthttp.RequestCtx, x *exchange, part []byte) {
	packed := wantsPacked(ctx, len(x.body))
	if respondKnown(ctx, highwayhash.Sum64(part, tagKey[:])) {
		x.release()
		return
	}
	respondPacked(ctx, x, packed)
	ctx.Response.Header.SetCanonical(nameCache, mayKeep)
}

// respondPacked answers with the exchange's body, perhaps compressed.
func respondPacked(ctx *fasthttp.RequestCtx, x *exchange, packed bool) {
	body := x.body
	if packed {
		x.packed = pack(x.packed[:0], body)
		body = x.packed
		ctx.Response.Header.Set(fasthttp.HeaderContentEncoding, "gzip")
	}
	respondWhole(ctx, body)
	ctx.Conn().(*conn).exchange = x // which releases it when the answer was sent
}

// respondLarge answers with what is too large to be made in memory at once. It is made once for its size and its tag, and once more while it is
// sent.
func respondLarge(ctx *fasthttp.RequestCtx, x *exchange, answer *document.Users) {
	hash, err := highwayhash.NewDigest64(tagKey[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	size := x.measure(answer, hash)
	packed := wantsPacked(ctx, size) && ctx.Request.Header.IsHTTP11() // which knows bodies whose size is not told
	if ctx.IsGet() && respondKnown(ctx, hash.Sum64()) {
		x.release()
		return
	}
	setHeader(ctx)
	if ctx.IsGet() {
		ctx.Response.Header.SetCanonical(nameCache, mayKeep)
	}
	ctx.Response.Header.SetContentTypeBytes(typeJSON)
	large := &largeAnswer{text: document.NewText(answer), exchange: x}
	if packed {
		ctx.Response.Header.Set(fasthttp.HeaderContentEncoding, "gzip")
		large.packer = packers.Get().(*gzip.Writer)
		large.packer.Reset(&large.packed)
		size = -1
	}
	ctx.Response.SetBodyStream(large, size)
}

// measure returns the size of an answer, all of which but its head it writes to hash.
func (x *exchange) measure(answer *document.Users, hash io.Writer) (size int) {
	skip := answer.Head() // of the first piece
	for text := document.NewText(answer); text.More(); {
		x.body = text.Append(x.body[:0])
		size += len(x.body)
		_, _ = hash.Write(x.body[skip:]) // which takes everything
		skip = 0
	}
	return size
}

// tagKey only has to be the same in all daemons of a cluster, so that a client may ask any of them.
var tagKey = [32]byte([]byte("zarafa-presence API v1 user tags"))

var (
	nameTag = []byte("Etag")
	mayKeep = []byte("private, no-cache") // but only after asking whether it is still the same
)

// respondKnown sets the tag with the given hash. If the client has what it stands for it is told so, and there is nothing more to do.
func respondKnown(ctx *fasthttp.RequestCtx, hash uint64) bool {
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], hash)
	var buffer [20]byte
	tag := append(hex.AppendEncode(append(buffer[:0], `W/"`...), number[:]), '"')
	ctx.Response.Header.SetCanonical(nameTag, tag)
	wanted := ctx.Request.Header.Peek(fasthttp.HeaderIfNoneMatch)
	if len(wanted) == 0 || !hasTag(string(wanted), string(tag[len("W/"):])) {
		return false
	}
	setHeader(ctx)
	ctx.Response.Header.SetCanonical(nameCache, mayKeep)
	ctx.SetStatusCode(fasthttp.StatusNotModified)
	return true
}

// largeAnswer is an answer that fasthttp fetches while it sends it. It finishes the exchange then, because the answer refers to the request.
type largeAnswer struct {
	text     *document.Text
	exchange *exchange

	packer *gzip.Writer // nil if the answer is not compressed
	packed bytes.Buffer
}

// WriteTo writes the answer as it is, piece by piece.
func (a *largeAnswer) WriteTo(w io.Writer) (written int64, err error) {
	x := a.exchange
	for a.text.More() && err == nil {
		var n int
		x.body = a.text.Append(x.body[:0])
		n, err = w.Write(x.body)
		written += int64(n)
	}
	return written, err
}

// Read returns the next bytes of the compressed answer.
func (a *largeAnswer) Read(p []byte) (int, error) {
	x := a.exchange
	for a.packed.Len() == 0 {
		if !a.text.More() {
			return 0, io.EOF
		}
		x.body = a.text.Append(x.body[:0])
		_, _ = a.packer.Write(x.body) // a buffer takes everything
		if !a.text.More() {
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
	a.exchange.release()
	return nil
}
