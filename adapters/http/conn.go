package http

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/events"
)

const (
	// lingerTime and lingerBytes bound how much of a refused request is still read before its connection is closed.
	lingerTime  = 300 * time.Millisecond
	lingerBytes = 4 * MaxBody
)

// conn is a client's connection. It knows whether a request is in progress, so that Server.Stop can close the others at once.
type conn struct {
	net.Conn
	busy   atomic.Bool // from a request's first byte to the end of its answer
	served bool        // at least one request; only the serving goroutine uses it
	linger bool        // the client may still be sending what nobody will read; only the serving goroutine uses it

	slack         time.Duration
	reads, writes deadline

	stream   *events.Subscription // what the connection is to be used for from now on, if not for requests
	exchange *exchange            // whose answer is being sent; only the serving goroutine uses it
}

// Read notes the beginning of a request.
func (c *conn) Read(p []byte) (int, error) {
	c.reads.apply(c.slack, c.Conn.SetReadDeadline)
	n, err := c.Conn.Read(p)
	if n > 0 && !c.busy.Load() {
		c.busy.Store(true)
	}
	return n, err
}

// Write sends a part of an answer.
func (c *conn) Write(p []byte) (int, error) {
	c.writes.apply(c.slack, c.Conn.SetWriteDeadline)
	return c.Conn.Write(p)
}

// note follows what fasthttp says about a connection. It says "active" of a new one before anything has come, and of a used one
// when a request has begun, which may have been read together with the one before.
func (c *conn) note(state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateActive:
		if c.served {
			c.busy.Store(true)
		}
	case fasthttp.StateIdle:
		c.served = true
		c.busy.Store(false)
		c.release()
	case fasthttp.StateNew, fasthttp.StateHijacked, fasthttp.StateClosed:
	}
}

// release lets go of the memory of an answer that was sent.
func (c *conn) release() {
	if c.exchange != nil {
		c.exchange.release()
		c.exchange = nil
	}
}

// SetReadDeadline never fails: fasthttp would panic, although the only reason is that Server.Stop has closed the connection, which the
// next read finds out anyway.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.reads.wanted = t
	return nil
}

// SetWriteDeadline never fails, like SetReadDeadline.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writes.wanted = t
	return nil
}

// SetDeadline never fails, like SetReadDeadline.
func (c *conn) SetDeadline(t time.Time) error {
	c.reads.wanted, c.writes.wanted = t, t
	return nil
}

// Close ends the connection after a request or its refusal. If the client may still be sending then it is heard out for a
// moment: closing with unread input makes the network reset the connection, and the client would not get to see the answer.
func (c *conn) Close() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok && c.linger {
		c.busy.Store(false)
		_ = tcp.CloseWrite()
		_ = tcp.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, tcp, lingerBytes)
	}
	return c.Conn.Close()
}

// abort ends the connection at once, from any goroutine.
func (c *conn) abort() { _ = c.Conn.Close() }
