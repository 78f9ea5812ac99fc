package conn

import (
	"crypto/tls"
	"net"
)

// maxRecord is how much TLS encrypts at once, in bytes (RFC 8446, 5.1).
const maxRecord = 16 << 10

// Stream is a connection without HTTP, which can be written to without waiting. One goroutine at a time may write, and another one read; Close and
// the deadlines are for everybody, and never wait.
type Stream struct {
	net.Conn // a Socket, or a *tls.Conn
	socket   Socket
	out      *outlet // of TLS; nil without
}

// NewStream makes a stream of a connection without TLS.
func NewStream(socket Socket) *Stream { return &Stream{Conn: socket, socket: socket} }

// newSecureStream makes a stream of a connection with TLS.
func newSecureStream(secure *tls.Conn, out *outlet) *Stream {
	out.hold()
	return &Stream{Conn: secure, socket: out.Socket, out: out}
}

// Write implements io.Writer. It waits until the socket has taken everything.
func (s *Stream) Write(p []byte) (n int, err error) {
	if s.out == nil {
		return s.Conn.Write(p)
	}
	if err := s.out.flush(); err != nil {
		return 0, err
	}
	for n < len(p) {
		more, err := s.Conn.Write(p[n:min(n+maxRecord, len(p))])
		n += more
		if err != nil {
			return n, err
		}
		if err := s.out.flush(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// WriteNow writes as much as can be written without waiting, and returns how much that was. If waiting is set, some of it is only encrypted yet: a
// Write of anything sends it.
func (s *Stream) WriteNow(p []byte) (n int, waiting bool, err error) {
	if s.out == nil {
		n, err := writeNow(s.socket, p)
		return n, false, err
	}
	for {
		done, err := s.out.tryFlush()
		if err != nil || !done || n == len(p) {
			return n, !done, err
		}
		more, err := s.Conn.Write(p[n:min(n+maxRecord, len(p))])
		n += more
		if err != nil {
			return n, false, err
		}
	}
}

// SetWriteBuffer sets how much the kernel keeps for a client that does not read, in bytes.
func (s *Stream) SetWriteBuffer(bytes int) error { return s.socket.SetWriteBuffer(bytes) }
