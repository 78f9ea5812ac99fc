package conn

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"sync/atomic"

	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/ports"
)

// request is what is known of the request that is in progress on a connection.
type request struct {
	id      []byte
	user    []byte // whose valid token it has shown; empty: none yet
	refused error  // what Admit has said
	route   string // the pattern of its path; empty: none
}

// nameRequestID is the header field with a request's id, in the form that fasthttp keeps.
var nameRequestID = []byte("X-Request-Id")

// maxRequestID is the longest id that is taken from a client, in bytes.
const maxRequestID = 64

// idsOfConnection is how many ids a connection has for itself, so that no two connections have to agree on each.
const idsOfConnection = 1 << 20

// lastIDs is where the ids of the last connection begin. It begins anywhere, so that the ids of several daemons differ.
var lastIDs = func() *atomic.Uint64 {
	n := new(atomic.Uint64)
	n.Store(rand.Uint64())
	return n
}()

// Begin gives a request its id, which its answer tells: the one that it has brought if that is acceptable, else a new one of 16 digits. It is called
// before anything else is done for the request.
func Begin(ctx *fasthttp.RequestCtx, brought []byte) {
	c, ok := ctx.Conn().(*Conn)
	if !ok {
		return
	}
	r := &c.request
	r.user, r.refused, r.route = r.user[:0], nil, ""
	if acceptableID(brought) {
		r.id = append(r.id[:0], brought...)
	} else {
		if c.nextID++; c.nextID%idsOfConnection <= 1 { // the first, or there are none left
			c.nextID = lastIDs.Add(idsOfConnection)/idsOfConnection*idsOfConnection + 2
		}
		r.id = appendID(r.id[:0], c.nextID)
	}
	ctx.Response.Header.SetCanonical(nameRequestID, r.id)
}

func acceptableID(id []byte) bool {
	if len(id) == 0 || len(id) > maxRequestID {
		return false
	}
	for _, c := range id {
		if !idBytes[c] {
			return false
		}
	}
	return true
}

// idBytes are the characters of an id from outside.
var idBytes = tableOf("._-" + alphanumeric)

// appendID appends a number in 16 hexadecimal digits.
func appendID(dst []byte, n uint64) []byte {
	var digits [8]byte
	binary.BigEndian.PutUint64(digits[:], n)
	return hex.AppendEncode(dst, digits[:])
}

// KeepID puts a request's id into its answer again, after that was reset.
func KeepID(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*Conn); ok && len(c.request.id) > 0 {
		ctx.Response.Header.SetCanonical(nameRequestID, c.request.id)
	}
}

// SetRoute notes which route serves a request, by the pattern of its path.
func SetRoute(ctx *fasthttp.RequestCtx, pattern string) {
	if c, ok := ctx.Conn().(*Conn); ok {
		c.request.route = pattern
	}
}

// RequestID returns a request's id, which Begin has given to it.
func RequestID(ctx *fasthttp.RequestCtx) string {
	if c, ok := ctx.Conn().(*Conn); ok {
		return string(c.request.id)
	}
	return ""
}

// Served returns the pattern of the route that serves a request, and whose valid token it has shown: empty if there is none.
func Served(ctx *fasthttp.RequestCtx) (route, user string) {
	if c, ok := ctx.Conn().(*Conn); ok {
		return c.request.route, string(c.request.user)
	}
	return "", ""
}

// OriginOf returns where a request has come from.
func OriginOf(ctx *fasthttp.RequestCtx) ports.Origin {
	c, ok := ctx.Conn().(*Conn)
	if !ok {
		return ports.Origin{}
	}
	origin := ports.Origin{Request: string(c.request.id)}
	if client := c.group.proxies().Client(ctx); client.IsValid() {
		origin.Address = client.String()
	}
	return origin
}
