package dial_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/dial"
)

// TestWithin: a connection ends with the context, and after that none is made.
func TestWithin(t *testing.T) {
	defer goleak.VerifyNone(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	connect := dial.Within(ctx, &net.Dialer{})
	closed, err := connect(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	conn, err := connect(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("when the context has ended Read = %v, want net.ErrClosed", err)
	}
	if late, err := connect(t.Context(), "tcp", listener.Addr().String()); err == nil {
		_ = late.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := late.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a later connection stays: %v", err)
		}
	}
}
