package conn

import (
	"errors"
	"sync"
)

// maxHeld is how much of what TLS has encrypted is kept for a socket that takes no more, in bytes. A record has 16 KiB; the rest is for answers to
// what the client may send meanwhile.
const maxHeld = 64 << 10

// errHeld ends a connection whose client makes TLS answer, and does not read.
var errHeld = errors.New("the client does not read what TLS has to tell it")

// outlet is where TLS writes to. It passes everything on to the socket, which may block. After hold a write never blocks: what the socket does not
// take is kept until flush or tryFlush. TLS may write at any time, so that one goroutine would else wait for another's client.
type outlet struct {
	Socket

	mu       sync.Mutex
	holds    bool
	flushing bool   // somebody is writing what was kept
	kept     []byte // comes before anything else
}

// Write implements io.Writer.
func (o *outlet) Write(p []byte) (n int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.holds {
		return o.writeThrough(p)
	}
	if !o.flushing && len(o.kept) == 0 {
		if n, err = writeNow(o.Socket, p); err != nil {
			return n, err
		}
	}
	if len(o.kept)+len(p)-n > maxHeld {
		return n, errHeld
	}
	o.kept = append(o.kept, p[n:]...)
	return len(p), nil
}

// writeThrough writes without the lock, which it finds and leaves locked.
func (o *outlet) writeThrough(p []byte) (int, error) {
	o.mu.Unlock()
	defer o.mu.Lock()
	return o.Socket.Write(p)
}

// hold makes later writes not block.
func (o *outlet) hold() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.holds = true
}

// tryFlush writes what the socket takes at once. It reports whether nothing is left.
func (o *outlet) tryFlush() (done bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.kept) > 0 {
		n, err := writeNow(o.Socket, o.kept)
		if err != nil {
			return false, err
		}
		o.kept = o.kept[n:]
	}
	return len(o.kept) == 0, nil
}

// flush writes all that was kept, which may block. Nobody else may call flush or tryFlush meanwhile.
func (o *outlet) flush() error {
	for {
		o.mu.Lock()
		o.flushing = len(o.kept) > 0
		next := o.kept
		o.kept = nil
		o.mu.Unlock()
		if len(next) == 0 {
			return nil
		}
		if _, err := o.Socket.Write(next); err != nil {
			return err
		}
	}
}
