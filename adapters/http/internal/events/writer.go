package events

import "syscall"

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
			w.n, w.err = syscall.Write(int(fd), w.data) //nolint:gosec // a file descriptor is an int
			if w.err != syscall.EINTR {
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
	if w.err == syscall.EAGAIN {
		return 0, nil
	}
	return max(w.n, 0), w.err
}
