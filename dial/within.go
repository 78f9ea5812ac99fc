// Package dial makes connections that end with a context. Adapters whose library does not end what waits for a frozen server call it, inside this
// repository and outside it.
package dial

import (
	"context"
	"net"
)

// Within returns a function that dials, as net.Dialer.DialContext does, within a context: when that ends, a connection that is being made is given up,
// and those that were made are closed. The function may be called concurrently.
func Within(ctx context.Context, dialer *net.Dialer) func(asked context.Context, network, address string) (net.Conn, error) {
	return func(asked context.Context, network, address string) (net.Conn, error) {
		dialing, stop := context.WithCancel(asked)
		defer stop()
		defer context.AfterFunc(ctx, stop)()
		conn, err := dialer.DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		return &boundConn{conn, context.AfterFunc(ctx, func() { _ = conn.Close() })}, nil
	}
}

// boundConn is a connection that ends with a context.
type boundConn struct {
	net.Conn
	unbind func() bool
}

// Close ends the connection.
func (c *boundConn) Close() error {
	c.unbind()
	return c.Conn.Close()
}
