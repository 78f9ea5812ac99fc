package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/rate"
	"github.com/zarafa/presence/domain"
)

const (
	// drainTimeout is how long Stop lets requests that have begun come to their end.
	drainTimeout = 700 * time.Millisecond

	// closeTimeout is how long Stop then waits for the connections that it has closed.
	closeTimeout = 500 * time.Millisecond

	// acceptPause is how long no connection is accepted after one could not be.
	acceptPause = 200 * time.Millisecond
)

// Group is the connections of a server. Its methods may be called concurrently.
type Group struct {
	tuned    atomic.Pointer[tuned]
	turnAway func(*Conn, error)
	log      *slog.Logger

	ctx     context.Context //nolint:containedctx // of all requests, for fasthttp has none: it ends when Stop's patience does
	cancel  context.CancelFunc
	running sync.WaitGroup // accepting, and each connection

	accepted  atomic.Uint64
	users     *rate.Limiter[domain.UserID] // of requests with a valid token
	addresses *rate.Limiter[netip.Addr]    // of the others
	scrapers  *rate.Limiter[netip.Addr]    // of those who ask for the metrics

	mu     sync.Mutex
	places places
}

// tuned is what a configuration changes. It does not change itself.
type tuned struct {
	server *fasthttp.Server // for new connections
	limits Limits
}

// NewGroup makes a group of connections, which the server serves after Tune. One that is not served is given to turnAway with the reason, one of
// ErrFull, ErrAnonymous and ErrNoTLS, for Conn.Dismiss, or ErrHandshake, when there is no more to do.
func NewGroup(server *fasthttp.Server, limits Limits, turnAway func(*Conn, error), log *slog.Logger) *Group {
	g := &Group{
		turnAway: turnAway, log: log, places: newPlaces(limits),
		users: rate.New[domain.UserID](limits.Rates.PerUser), addresses: rate.New[netip.Addr](limits.Rates.PerAddress),
		scrapers: rate.New[netip.Addr](limits.Rates.PerAddress),
	}
	g.tuned.Store(&tuned{server, limits})
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// Configure has the server, after Tune, serve the connections that are made from now on. The limits hold for all connections; none is closed because
// there are more than there may be now.
func (g *Group) Configure(server *fasthttp.Server, limits Limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tuned.Store(&tuned{server, limits})
	g.places.limits = limits
	g.users.SetRate(limits.Rates.PerUser)
	g.addresses.SetRate(limits.Rates.PerAddress)
	g.scrapers.SetRate(limits.Rates.PerAddress)
}

// proxies returns those that are believed.
func (g *Group) proxies() Proxies { return g.tuned.Load().limits.Proxies }

// Context returns what every use case that a request needs has to end with.
func (g *Group) Context() context.Context {
	return g.ctx
}

// smallBody is a body that arrives together with its header, usually, in bytes.
const smallBody = 4 << 10

// Tune sets what Fiber does not pass on to fasthttp. A body that is not small may take the time-out to arrive, others that of the header.
func Tune(server *fasthttp.Server, bodyTimeout time.Duration) {
	server.SecureErrorLogMessage = true
	server.KeepHijackedConns = true
	server.ConnState = func(c net.Conn, state fasthttp.ConnState) {
		if c, ok := c.(*Conn); ok {
			c.note(state)
		}
	}
	server.HeaderReceived = func(header *fasthttp.RequestHeader) (config fasthttp.RequestConfig) {
		if n := header.ContentLength(); n > smallBody || n == -1 {
			config.ReadTimeout = bodyTimeout
		}
		if server.StreamRequestBody && header.ContentLength() > body.Small {
			config.MaxRequestBodySize = 1 // the handler is called when so much has come, and reads the rest
		}
		return config
	}
}

// Accept serves every connection of a listener, in the background, until the listener is closed. Connections that are not of a Unix socket have
// TLS as secure says at that moment, unless secure is nil.
func (g *Group) Accept(listener net.Listener, secure func() *tls.Config) {
	g.running.Go(func() { g.accept(listener, secure) })
}

func (g *Group) accept(listener net.Listener, secure func() *tls.Config) {
	for {
		c, err := listener.Accept()
		switch {
		case err == nil:
			g.serve(g.newConn(c.(Socket), secure))
			continue
		case errors.Is(err, net.ErrClosed):
			return
		}
		g.log.Warn("cannot accept a connection", "err", err, "retry_in", acceptPause) // no file descriptors are left, as a rule: others will be closed
		select {
		case <-time.After(acceptPause):
		case <-g.ctx.Done():
			return
		}
	}
}

func (g *Group) newConn(socket Socket, secure func() *tls.Config) *Conn {
	peer := AddressOf(socket.RemoteAddr())
	c := &Conn{Conn: socket, socket: socket, group: g, server: g.tuned.Load().server, party: party(peer), known: g.proxies().contain(peer)}
	if secure != nil && peer.IsValid() {
		c.out = &outlet{Socket: socket}
		c.secure = tls.Server(c.out, secure())
		c.Conn = c.secure
		// Of the handshake, and of telling the client that no request has come; that of an answer replaces it.
		_ = socket.SetWriteDeadline(time.Now().Add(c.server.ReadTimeout + c.server.WriteTimeout))
	}
	return c
}

func (g *Group) serve(c *Conn) {
	g.accepted.Add(1)
	if err := g.add(c); err != nil {
		g.turnAway(c, err)
		return
	}
	g.running.Go(func() {
		_ = c.server.ServeConn(c) // what can go wrong is the client's affair, which was told
		if c.takeOver == nil {
			g.forget(c)
			return
		}
		g.running.Go(func() { // a new goroutine, for this one's stack has become large
			defer g.forget(c)
			defer c.abort()
			use := c.takeOver
			c.takeOver = nil // what it refers to can be large
			use(c.stream())
		})
	})
}

func (g *Group) add(c *Conn) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	victim, err := g.places.add(c)
	if victim != nil {
		victim.abort()
	}
	return err
}

func (g *Group) forget(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.places.remove(c)
}

func (g *Group) makeStream(c *Conn) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.places.makeStream(c)
}

// Stop ends all connections, after the listener was closed: those without a request in progress at once, the others when their
// answer is sent, and all that are left after less than a second or when ctx ends. Then Context ends as well. Stop returns within 1.2
// seconds, with an error only if a request did not end. It may be called more than once.
func (g *Group) Stop(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		g.running.Wait()
		close(ended)
	}()
	ctx, stop := context.WithTimeout(ctx, drainTimeout)
	defer stop()
	g.drain(ctx, ended)
	g.cancel()
	g.close(func(*Conn) bool { return true })
	select {
	case <-ended:
		return nil
	case <-time.After(closeTimeout):
		return errors.New("a request did not end in time")
	}
}

// drain closes connections as soon as they have no request in progress, until there are none or ctx ends.
func (g *Group) drain(ctx context.Context, ended <-chan struct{}) {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		g.close(func(c *Conn) bool { return !c.busy.Load() })
		select {
		case <-ended:
			return
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

func (g *Group) close(which func(*Conn) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.places.conns {
		if which(c) {
			c.abort()
		}
	}
}

// Busy returns how many connections have a request in progress.
func (g *Group) Busy() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.places.conns {
		if c.busy.Load() {
			n++
		}
	}
	return n
}

// Counts returns how many connections there are: all that are no streams, the streams, and those that have shown no valid token yet; and how many
// were accepted.
func (g *Group) Counts() (plain, streams, anonymous int, accepted uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.places.conns) - g.places.streams, g.places.streams, g.places.anonymous.Len(), g.accepted.Load()
}

// Streams returns how many connections are streams.
func (g *Group) Streams() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.places.streams
}
