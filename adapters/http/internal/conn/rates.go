package conn

import (
	"errors"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/domain"
)

// The reasons why a request is one too many.
var (
	ErrUserRate    = errors.New("this user makes more requests than http.rate_per_user allows")
	ErrAddressRate = errors.New("this address makes more requests without a valid token than http.rate_per_address allows")
)

// Rates are how many requests a second there may be; zero is no limit.
type Rates struct {
	PerUser    int // with a valid token; not for services
	PerAddress int // that are refused and have shown no valid token
}

// Admit takes note that a request has shown a valid token. Its connection is not anonymous any more. The error is ErrUserRate if it is one request
// too many; calling Admit again for the same request counts it once.
func Admit(ctx *fasthttp.RequestCtx, by domain.Principal) error {
	c, ok := ctx.Conn().(*Conn)
	if !ok {
		return nil
	}
	if !c.known {
		c.known = true
		c.group.identify(c)
	}
	r := &c.request
	if len(r.user) == 0 {
		r.user = append(r.user, by.User...)
		if !by.Service && !c.group.users.Allow(by.User, ctx.Time()) {
			r.refused = ErrUserRate
		}
	}
	return r.refused
}

func (g *Group) identify(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.places.identify(c)
}

// Refused takes note that a request is refused for which its client is to blame. If it has shown no valid token it counts for the client's address,
// and the error is ErrAddressRate if there are too many of those. A trusted proxy that does not name its client has no address that counts.
func (g *Group) Refused(ctx *fasthttp.RequestCtx) error {
	if c, ok := ctx.Conn().(*Conn); ok && len(c.request.user) > 0 {
		return nil
	}
	client := g.proxies().Client(ctx)
	if !client.IsValid() || g.proxies().contain(client) || g.addresses.Allow(party(client), ctx.Time()) {
		return nil
	}
	return ErrAddressRate
}

// refusedPause is how long the answer to a request that is one too many is held back. A connection's requests are answered one after the other, so
// whoever sends as many as possible is slowed down, and takes little from the others.
const refusedPause = 50 * time.Millisecond

// HoldBack waits before a request is refused that is one too many. A proxy's connections are not held back: others share them.
func (g *Group) HoldBack(ctx *fasthttp.RequestCtx) {
	if g.proxies().contain(AddressOf(ctx.RemoteAddr())) {
		return
	}
	pause := time.NewTimer(refusedPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-g.ctx.Done():
	}
}

// Suspicious reports whether a request is one of a connection that has shown no valid token yet, and of an address with too many refused requests.
func (g *Group) Suspicious(ctx *fasthttp.RequestCtx) bool {
	c, ok := ctx.Conn().(*Conn)
	return ok && !c.known && g.addresses.Spent(c.party, ctx.Time())
}
