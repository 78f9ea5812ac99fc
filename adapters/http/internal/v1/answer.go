package v1

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sync"

	"github.com/minio/highwayhash"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
)

// buffers is the memory that one request and its answer need, kept for the next.
type buffers struct {
	text     body.Body
	asked    Query
	revision domain.Revision
	states   []domain.State
	members  []domain.UserID
	page     bool          // it is one of everybody
	next     domain.UserID // the next page begins after this one; empty: there is none
	body     []byte
	packed   []byte
}

var pool = sync.Pool{New: func() any { return new(buffers) }}

// Release lets go of what the buffers refer to, so that it can be freed, and of the buffers.
func (b *buffers) Release() {
	b.asked.Reset()
	b.text.Release()
	clear(b.states)
	clear(b.members)
	b.states, b.members, b.page = b.states[:0], b.members[:0], false
	pool.Put(b)
}

// find looks up what by sees of the users that were asked for. If a revision was named it leaves out users without a change since.
func (a *API) find(by domain.Principal, b *buffers) error {
	if !b.page {
		b.revision = a.feed.Revision() // first, so that whoever asks what has changed since misses nothing
	}
	states, forgotten, err := a.feed.States(by, b.asked.Users, b.states[:0])
	b.states = states
	if err != nil {
		return err
	}
	if !b.asked.Again || b.asked.Since > b.revision || // which is of another life of the daemon
		len(b.asked.Groups) > 0 && b.asked.Since <= a.directory.Regrouped() {
		return nil
	}
	kept := 0
	for i := range b.states {
		if b.states[i].ChangedSince(b.asked.Since, forgotten) {
			b.states[kept], b.asked.Users[kept] = b.states[i], b.asked.Users[i]
			kept++
		}
	}
	clear(b.states[kept:])
	b.states, b.asked.Users = b.states[:kept], b.asked.Users[:kept]
	return nil
}

// sendUsers answers with the users that were found, unless the answer would be too large. It sees to the release of the buffers.
func (a *API) sendUsers(ctx *fasthttp.RequestCtx, b *buffers) error {
	hash, err := highwayhash.NewDigest64(tagKey[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	size, head, most := 0, b.headSize(), int(a.maxAnswer.Load())
	for piece := range b.pieces {
		if ctx.IsGet() || ctx.IsHead() {
			_, _ = hash.Write(piece[head:]) // which takes everything
		}
		size, head = size+len(piece), 0
		b.body = piece
		if err := a.ctx.Err(); err != nil || size > most {
			b.Release()
			return cmp.Or(err, error(problem.LargeAnswer(most)))
		}
	}
	send(ctx, b, size, hash.Sum64())
	return nil
}

// send answers with a document of the given size: the body in the buffers, or if that is not all of it, the pieces. If the client has it already, it
// is told so. The hash of a list leaves out the revision, which grows with everybody's changes. The tag is a weak one because of that, and
// because the answer may be sent compressed or not.
func send(ctx *fasthttp.RequestCtx, b *buffers, size int, hash uint64) {
	whole := size == len(b.body)
	compress := size >= minPacked && ctx.Request.Header.HasAcceptEncoding("gzip") &&
		(whole || ctx.Request.Header.IsHTTP11()) // which knows bodies whose size is not told
	header := &ctx.Response.Header
	respond.Headers(header)
	if size >= minPacked {
		header.Add(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	}
	if ctx.IsGet() || ctx.IsHead() {
		respond.Cacheable(header)
		if isKnown(ctx, hash) {
			ctx.SetStatusCode(fasthttp.StatusNotModified)
			b.Release()
			return
		}
	}
	header.SetContentTypeBytes(respond.JSON)
	if compress {
		header.Set(fasthttp.HeaderContentEncoding, "gzip")
	}
	switch {
	case whole && compress:
		b.packed = b.packed[:0]
		for piece := range packed(slices.Values([][]byte{b.body})) {
			b.packed = append(b.packed, piece...)
		}
		respond.Whole(ctx, b.packed, b)
	case whole:
		respond.Whole(ctx, b.body, b)
	case compress:
		respond.Stream(ctx, packed(b.pieces), -1, b)
	default:
		respond.Stream(ctx, b.pieces, size, b)
	}
}

// tagKey only has to be the same in all daemons of a cluster, so that a client may ask any of them.
var tagKey = [32]byte([]byte("zarafa-presence API v1 user tags"))

var nameTag = []byte("Etag")

// isKnown sets the tag with the given hash, and reports whether the client has what it stands for.
func isKnown(ctx *fasthttp.RequestCtx, hash uint64) bool {
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], hash)
	var buffer [20]byte
	tag := append(hex.AppendEncode(append(buffer[:0], `W/"`...), number[:]), '"')
	ctx.Response.Header.SetCanonical(nameTag, tag)
	return respond.Has(&ctx.Request.Header, tag[len("W/"):])
}
