package xmpp

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// acceptWithin is how long the relay waits for the library to dial it.
const acceptWithin = 5 * time.Second

// relay is a way to the server for go-xmpp that can be cut. It accepts exactly one connection on 127.0.0.1 and copies bytes
// between that and the connection to the server, as they are.
type relay struct {
	listener net.Listener
	copying  sync.WaitGroup

	isCut atomic.Bool // what is still buffered is of no interest any more

	mu    sync.Mutex
	conns []net.Conn // to be closed by cut
	cause error
}

// newRelay begins to relay to the server, and owns that connection from now on. The caller must call end.
func newRelay(server net.Conn) (*relay, error) {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("opening the relay to the server: %w", err)
	}
	if err := listener.SetDeadline(time.Now().Add(acceptWithin)); err != nil {
		return nil, fmt.Errorf("opening the relay to the server: %w", err)
	}
	r := &relay{listener: listener, conns: []net.Conn{server}}
	r.copying.Go(func() { r.accept(server) })
	return r, nil
}

// address is where the library is to connect.
func (r *relay) address() string { return r.listener.Addr().String() }

// cut ends the connection at once, and with it every call that waits for it. Only the first cause is kept; it may be nil. It
// does not block, and may be called at any time.
func (r *relay) cut(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isCut.Swap(true) {
		return
	}
	r.cause = cause
	_ = r.listener.Close()
	for _, conn := range r.conns {
		_ = conn.Close()
	}
}

// why returns the cause of the cut, or nil.
func (r *relay) why() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause
}

// end cuts the connection and returns when nothing of the relay is left running.
func (r *relay) end() {
	r.cut(nil)
	r.copying.Wait()
}

func (r *relay) accept(server net.Conn) {
	local, err := r.listener.Accept()
	if err != nil {
		r.cut(fmt.Errorf("waiting for go-xmpp on the relay: %w", err))
		return
	}
	_ = r.listener.Close()
	if !r.adopt(local) {
		return
	}
	r.copying.Go(func() { forward(server, local) })
	forward(local, server)
}

// adopt lets cut close conn, and reports whether there was no cut yet.
func (r *relay) adopt(conn net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isCut.Load() {
		_ = conn.Close()
		return false
	}
	r.conns = append(r.conns, conn)
	return true
}

// forward copies until one side ends, then passes the end on. It half-closes: closing would discard what the other side has not
// read yet, which may be the server's reason for hanging up.
func forward(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
