// Package conn looks after the connections of the HTTP server: how many there are, how long a client may take, what of a request is
// refused before anything of it is used, and that stopping is quick whatever the clients do. Package http calls it.
//
// It goes below Fiber: Fiber does not know connections, and fasthttp alone would wait for a stuck client when the server stops.
package conn

import (
	"container/list"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// lingerTime and lingerBytes bound how much of a refused request is still read before its connection is closed.
	lingerTime  = 300 * time.Millisecond
	lingerBytes = 4 << 20
)

// Conn is a client's connection. It knows whether a request is in progress, so that Group.Stop can close the others at once.
type Conn struct {
	net.Conn // the socket, or TLS over it
	socket   Socket
	secure   *tls.Conn // nil without TLS
	out      *outlet   // of TLS
	group    *Group
	server   *fasthttp.Server // serves it
	party    netip.Addr       // with whose connections it counts while it is anonymous
	busy     atomic.Bool      // from a request's first byte to the end of its answer

	// Group.mu guards these.
	place    *list.Element // among the anonymous
	isStream bool

	// Only the goroutine that serves the connection uses what follows.
	known    bool // it has shown a valid token, or is a trusted proxy's
	served   bool // at least one request
	linger   bool // the client may still be sending what nobody will read
	takeOver func(*Stream)
	context  requestContext
	request  request
	nextID   uint64    // of a request that has brought none
	readBy   deadline  // of reading
	restBy   time.Time // by when the rest of a request is to be there; zero: nothing has to be read
	writeBy  deadline  // of writing
}

// Linger makes Close read on for a moment: the client may still be sending a request that was refused.
func Linger(ctx *fasthttp.RequestCtx) {
	if c, ok := ctx.Conn().(*Conn); ok {
		c.linger = true
	}
}

// TakeOver ends the HTTP of a request's connection without an answer. When the handler has returned, use gets the connection, in a
// goroutine of its own; the connection is closed when use returns. If there is no place for another stream, nothing happens but ErrStreams.
func TakeOver(ctx *fasthttp.RequestCtx, use func(*Stream)) error {
	c := ctx.Conn().(*Conn)
	if err := c.group.makeStream(c); err != nil {
		return err
	}
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(net.Conn) {}) // fasthttp lets go of the connection, and Group goes on with it
	c.takeOver = use
	return nil
}

// stream is the connection for whoever takes it over.
func (c *Conn) stream() *Stream {
	if c.secure == nil {
		return NewStream(c.socket)
	}
	return newSecureStream(c.secure, c.out)
}

// SetReadDeadline bounds how long a connection may be idle, which is not as long for an anonymous one, and then how long the client may take for a
// request. Most requests come in one piece: the latter is left to the next Read, which they do not need. Only fasthttp calls it.
func (c *Conn) SetReadDeadline(deadline time.Time) error {
	if c.busy.Load() {
		c.restBy = deadline
		return c.mayAnswerAfter(deadline)
	}
	c.restBy = time.Time{}
	timeout := c.server.IdleTimeout
	if !c.known && !deadline.IsZero() {
		anonymous := c.group.tuned.Load().limits.AnonymousTimeout
		if soon := time.Now().Add(anonymous); soon.Before(deadline) {
			deadline, timeout = soon, anonymous
		}
	}
	if !c.served { // it bounds the header of a first request, once
		timeout = 0
	}
	return c.moveReadDeadline(deadline, timeout)
}

// mayAnswerAfter sees to it that fasthttp can tell the client what is wrong with a request that has not come by a deadline, or that the client may
// send its body: it sets no deadline for that, and that of the answer before may be over.
func (c *Conn) mayAnswerAfter(deadline time.Time) error {
	if !c.writeBy.at.Before(deadline) {
		return nil
	}
	return c.SetWriteDeadline(deadline.Add(c.server.WriteTimeout))
}

func (c *Conn) moveReadDeadline(deadline time.Time, timeout time.Duration) error {
	if !c.readBy.moves(deadline, timeout) {
		return nil
	}
	return c.Conn.SetReadDeadline(c.readBy.at)
}

// SetWriteDeadline bounds how long the writing of an answer may take.
func (c *Conn) SetWriteDeadline(deadline time.Time) error {
	if !c.writeBy.moves(deadline, c.server.WriteTimeout) {
		return nil
	}
	return c.Conn.SetWriteDeadline(c.writeBy.at)
}

// deadline is where a deadline of a connection is. It is set a little later than it has to be, and stays there until that is too early: to move
// three for each request takes a twentieth of the time of a small GET (see BenchmarkGetOneUser in adapters/http).
type deadline struct{ at time.Time }

// moves reports whether the deadline has to be moved, to d.at: not before next, and at most a sixteenth of the timeout later.
func (d *deadline) moves(next time.Time, timeout time.Duration) bool {
	spare := timeout / 16
	if next.IsZero() { // none
		spare = 0
	}
	if later := d.at.Sub(next); later >= 0 && later <= spare {
		return false
	}
	d.at = next.Add(spare)
	return true
}

// Read notes the beginning of a request. With TLS the first one makes the handshake, for which the client has no more time than for the header of
// its first request.
func (c *Conn) Read(p []byte) (int, error) {
	if !c.restBy.IsZero() {
		if err := c.moveReadDeadline(c.restBy, 0); err != nil {
			return 0, err
		}
		c.restBy = time.Time{}
	}
	n, err := c.Conn.Read(p)
	if n > 0 && !c.busy.Load() {
		c.busy.Store(true)
	}
	if err != nil && c.secure != nil && !c.secure.ConnectionState().HandshakeComplete {
		c.handshakeFailed(err)
		return n, net.ErrClosed // so that fasthttp answers nothing
	}
	return n, err
}

// note follows the state of a connection. A new one is active from its first byte; the next request of a used one may have been read
// together with the one before, so that only fasthttp knows when it begins.
func (c *Conn) note(state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateActive:
		if c.served {
			c.busy.Store(true)
		}
	case fasthttp.StateIdle:
		c.served = true
		c.busy.Store(false)
		if c.secure != nil { // the client may ask for new keys, which TLS answers
			_ = c.SetWriteDeadline(time.Now().Add(c.server.IdleTimeout))
		}
	case fasthttp.StateNew, fasthttp.StateHijacked, fasthttp.StateClosed:
	}
}

// Close ends the connection after a request or its refusal. If the client may still be sending, Close reads on for a moment: closing
// with unread input makes the network reset the connection, and the client would not see the answer.
func (c *Conn) Close() error {
	if c.linger {
		c.busy.Store(false)
		if c.secure != nil {
			_ = c.secure.CloseWrite()
		}
		_ = c.socket.CloseWrite()
		_ = c.socket.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.socket, lingerBytes)
	}
	return c.Conn.Close()
}

// abort ends the connection at once, from any goroutine.
func (c *Conn) abort() { _ = c.socket.Close() }
