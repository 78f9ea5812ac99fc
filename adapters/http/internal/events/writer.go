package events

import (
	"errors"
	"syscall"
)

// writer writes to connections without waiting for them. It is not to be used concurrently.
type writer struct {
	data []byte
	n    int
	err  error
	do   func(fd uintptr) bool // made once, because making it allocates
}

func newWriter() *writer {
	w := new(writer)
	w.do = func(fd uintptr) bool {
		for {
			w.n, w.err = syscall.Write(int(fd), w.data)
			if w.err == nil || !errors.Is(w.err, syscall.EINTR) {
				return true
			}
		}
	}
	return w
}

// write writes as much as the connection takes at once, and returns how much that was.
func (w *writer) write(conn syscall.RawConn, data []byte) (n int, err error) {
	w.data, w.n, w.err = data, 0, nil
	if err := conn.Write(w.do); err != nil {
		return 0, err
	}
	w.data = nil
	switch {
	case w.err == nil:
		return w.n, nil
	case errors.Is(w.err, syscall.EAGAIN):
		return 0, nil
	}
	return 0, w.err
}
