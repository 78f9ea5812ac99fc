package conn

import (
	"context"
	"errors"
	"syscall"

	"github.com/valyala/fasthttp"
	"golang.org/x/sys/unix"

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

// gone reports whether the client has closed the connection, or its half of it, and nothing is left to be read. With TLS something is left always:
// that it has closed.
func (c *Conn) gone() bool {
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return true
	}
	look := ended
	if c.secure != nil {
		look = hungUp
	}
	var gone bool
	err = raw.Control(func(fd uintptr) { gone = look(int(fd)) })
	return err != nil || gone
}

// hungUp reports whether the other side has closed a socket, or its half of it.
func hungUp(fd int) bool {
	look := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // a descriptor is small
	n, err := unix.Poll(look, 0)
	return err == nil && n > 0
}

// ended is the same, but only if nothing is left to be read.
func ended(fd int) bool {
	var next [1]byte
	n, _, err := syscall.Recvfrom(fd, next[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	if err == nil {
		return n == 0
	}
	return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
}
