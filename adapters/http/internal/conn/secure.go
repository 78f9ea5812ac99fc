package conn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// Why a connection with TLS is not served.
var (
	ErrNoTLS     = errors.New("the client sent an HTTP request to an HTTPS server")
	ErrHandshake = errors.New("TLS")
)

// Secure reports whether a request came over TLS.
func Secure(ctx *fasthttp.RequestCtx) bool {
	c, ok := ctx.Conn().(*Conn)
	return ok && c.secure != nil
}

// handshakeFailed tells why a client did not get TLS, unless it has just gone away.
func (c *Conn) handshakeFailed(err error) {
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &plain) && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader):
		c.linger = true
		c.group.turnAway(c, ErrNoTLS)
	case !hasGone(err):
		c.group.turnAway(c, fmt.Errorf("%w: %w", ErrHandshake, err))
	}
}

// looksLikeHTTP recognises the beginning of a request in what should be the header of a record: a method's name.
func looksLikeHTTP(header [5]byte) bool {
	for i, c := range header {
		if c == ' ' {
			return i > 0
		}
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// hasGone reports whether an error is about a client that said nothing more, or about the end of the server.
func hasGone(err error) bool {
	_, network := errors.AsType[syscall.Errno](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded)
}

// Dismiss answers a client that is not served, in the clear, and closes the connection, or leaves that to whoever serves it. One that has no place
// does not get the answer over TLS, for which there would have to be a handshake.
func (c *Conn) Dismiss(why error, answer []byte) {
	if c.secure == nil || errors.Is(why, ErrNoTLS) {
		_ = c.socket.SetWriteDeadline(time.Now().Add(time.Second)) // never needed: a new connection has room for this
		_, _ = c.socket.Write(answer)
	}
	if !c.linger {
		_ = c.socket.Close()
	}
}
