package xmpp

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// relay is a way to the server for go-xmpp that can be cut. It accepts exactly one connection on 127.0.0.1 and copies bytes
// between that and the connection to the server, as they are.
type relay struct {
	address string            // where the library is to connect
	cut     func(cause error) // ends the connection, and every call that waits for it. It does not block, and may be called at any time
	why     func() error      // the cause of the first cut; nil if there was none
	done    <-chan struct{}   // closed by the cut
	running sync.WaitGroup
}

// newRelay begins to relay to the server, and owns that connection from now on. The relay outlives ctx. The caller must call end.
func newRelay(ctx context.Context, server *net.TCPConn) (*relay, error) {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		_ = server.Close()
		return nil, fmt.Errorf("opening the relay to the server: %w", err)
	}
	ctx, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	r := &relay{address: listener.Addr().String(), cut: cut, why: func() error { return context.Cause(ctx) }, done: ctx.Done()}
	r.running.Go(func() {
		<-r.done
		_ = listener.Close()
		_ = server.Close()
	})
	r.running.Go(func() {
		local, err := listener.AcceptTCP()
		if err != nil {
			return // cut
		}
		_ = listener.Close()
		r.running.Go(func() { forward(server, local) })
		r.running.Go(func() { forward(local, server) })
		<-r.done
		_ = local.Close()
	})
	return r, nil
}

// end cuts the connection and returns when nothing of it is left running.
func (r *relay) end() {
	r.cut(nil)
	r.running.Wait()
}

// forward copies until one side ends, then passes the end on. It half-closes: closing would discard what the other side has not
// read yet, which may be the server's reason for hanging up.
func forward(to, from *net.TCPConn) {
	_, _ = io.Copy(to, from)
	_ = to.CloseWrite()
}
