package v1

import (
	"encoding/binary"
	"encoding/hex"
	"sync"

	"github.com/minio/highwayhash"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
)

// buffers is the memory that one request and its answer need, kept for the next.
type buffers struct {
	asked    Query
	revision domain.Revision
	states   []domain.State
	body     []byte
	packed   []byte
}

var pool = sync.Pool{New: func() any { return new(buffers) }}

// Release lets go of what the buffers refer to, so that it can be freed, and of the buffers.
func (b *buffers) Release() {
	b.asked.Reset()
	clear(b.states)
	b.states = b.states[:0]
	pool.Put(b)
}

// find looks up the users that were asked for. If a revision was given it leaves out those that have not changed since.
func (a *API) find(b *buffers) error {
	b.revision = a.feed.Revision() // first, so that whoever asks what has changed since misses nothing
	states, forgotten, err := a.feed.States(b.asked.Users, b.states[:0])
	b.states = states
	if err != nil {
		return err
	}
	if !b.asked.Again || b.asked.Since > b.revision { // which is of another life of the daemon
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

// maxWhole is the largest answer that is made in memory at once, in bytes. A larger one is made while it is sent.
const maxWhole = 256 << 10

// sendUsers answers with the users that were found. It sees to the release of the buffers.
func sendUsers(ctx *fasthttp.RequestCtx, b *buffers) {
	answer := users{revision: b.revision, ids: b.asked.Users, states: b.states}
	text := newDocument(&answer)
	for b.body = b.body[:0]; text.more() && len(b.body) <= maxWhole; {
		b.body = text.append(b.body)
	}
	switch {
	case text.more():
		sendLarge(ctx, b, &answer)
	case ctx.IsGet():
		sendTagged(ctx, b, b.body[answer.head():])
	default:
		sendWhole(ctx, b, compresses(ctx, len(b.body)))
	}
}

// sendTagged answers with the body in the buffers, or says that the client has it already. The tag stands for the given part of the body: of a
// list it leaves out the revision, which grows with every change of any user. It is a weak one because of that, and because the body may be
// sent compressed or not.
func sendTagged(ctx *fasthttp.RequestCtx, b *buffers, part []byte) {
	compress := compresses(ctx, len(b.body))
	if sendKnown(ctx, highwayhash.Sum64(part, tagKey[:])) {
		b.Release()
		return
	}
	sendWhole(ctx, b, compress)
	respond.Cacheable(&ctx.Response.Header)
}

// sendWhole answers with the body in the buffers, which are released when it was sent.
func sendWhole(ctx *fasthttp.RequestCtx, b *buffers, compress bool) {
	body := b.body
	if compress {
		b.packed = pack(b.packed[:0], body)
		body = b.packed
		ctx.Response.Header.Set(fasthttp.HeaderContentEncoding, "gzip")
	}
	respond.Headers(&ctx.Response.Header)
	ctx.Response.Header.SetContentTypeBytes(respond.JSON)
	ctx.Response.SetBodyRaw(body)
	conn.ReleaseAfter(ctx, b)
}

// tagKey only has to be the same in all daemons of a cluster, so that a client may ask any of them.
var tagKey = [32]byte([]byte("zarafa-presence API v1 user tags"))

var nameTag = []byte("Etag")

// sendKnown sets the tag with the given hash. If the client has what it stands for it is told so, and there is nothing more to do.
func sendKnown(ctx *fasthttp.RequestCtx, hash uint64) bool {
	var number [8]byte
	binary.LittleEndian.PutUint64(number[:], hash)
	var buffer [20]byte
	tag := append(hex.AppendEncode(append(buffer[:0], `W/"`...), number[:]), '"')
	ctx.Response.Header.SetCanonical(nameTag, tag)
	if !respond.Has(&ctx.Request.Header, tag[len("W/"):]) {
		return false
	}
	respond.Headers(&ctx.Response.Header)
	respond.Cacheable(&ctx.Response.Header)
	ctx.SetStatusCode(fasthttp.StatusNotModified)
	return true
}
