package conn

import (
	"context"
	"errors"
	"net"
	"syscall"

	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/ports"
)

// errGone is the error of a context whose client has closed the connection.
type errGone struct{}

func (errGone) Error() string { return "the client has closed the connection" }

// Unwrap makes it the end of a context.
func (errGone) Unwrap() error { return context.Canceled }

// requestContext is the context of the request that is in progress on a connection. Its Err asks the connection, which costs a system call. Done
// does not tell that the client has gone: that would take a goroutine for each request.
type requestContext struct {
	context.Context //nolint:containedctx // it is one
	conn            *Conn
	request         *fasthttp.RequestCtx
}

// Value implements context.Context. It knows where the request has come from.
func (r *requestContext) Value(key any) any {
	if key == (ports.OriginKey{}) {
		return OriginOf(r.request)
	}
	return r.Context.Value(key)
}

// Err implements context.Context.
func (r *requestContext) Err() error {
	if err := r.Context.Err(); err != nil {
		return err
	}
	if r.conn.gone() {
		return errGone{}
	}
	return nil
}

// Context returns the context of a request, for its handler's goroutine and as long as that runs. It ends with server, which has to be the same
// for all requests. Its Err is not nil either once the client has closed the connection.
func Context(server context.Context, ctx *fasthttp.RequestCtx) context.Context {
	c, ok := ctx.Conn().(*Conn)
	if !ok {
		return server
	}
	c.context = requestContext{server, c, ctx}
	return &c.context
}

// gone reports whether the client has closed the connection, or its half of it, and nothing is left to be read.
func (c *Conn) gone() bool {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return true
	}
	n, peeked := 0, error(nil)
	err = raw.Control(func(fd uintptr) {
		var next [1]byte
		n, _, peeked = syscall.Recvfrom(int(fd), next[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	switch {
	case err != nil:
		return true
	case peeked == nil:
		return n == 0
	}
	return !errors.Is(peeked, syscall.EAGAIN) && !errors.Is(peeked, syscall.EINTR)
}
