package dns_test

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/dns"
)

// TestQueryEndsWithItsContext asks a server that does not answer. What of the query goes on is found when the test ends.
func TestQueryEndsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := dns.NewResolver(silent.LocalAddr().String()).LookupHost(ctx, "example.test")
		asked <- err
	}()
	if _, _, err := silent.ReadFrom(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-asked:
		if err == nil {
			t.Error("there is an answer")
		}
	case <-time.After(time.Second):
		t.Error("the query goes on")
	}
}
