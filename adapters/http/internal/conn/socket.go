package conn

import (
	"cmp"
	"errors"
	"net"
	"syscall"
)

// Socket is a connection below TLS, if there is any: a *net.TCPConn or a *net.UnixConn.
type Socket interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
	SetWriteBuffer(bytes int) error
}

// writeNow writes as much as the socket takes at once, and returns how much that was.
func writeNow(socket Socket, data []byte) (n int, err error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	closed := raw.Write(func(fd uintptr) bool {
		n, err = syscall.Write(int(fd), data)
		return true
	})
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		err = nil
	}
	return max(n, 0), cmp.Or(closed, err)
}
