package oidc_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/oidc"
	"github.com/zarafa/presence/dns"
)

// TestSilentDNS: a name server that does not answer keeps neither Run nor anything else from ending.
func TestSilentDNS(t *testing.T) {
	goroutines := goleak.IgnoreCurrent()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	v := oidc.New(config(), skew, clock.New(), principals{}, slog.New(slog.DiscardHandler))
	v.Resolve(dns.NewResolver(silent.LocalAddr().String()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan struct{})
	go func() { defer close(ended); v.Run(ctx) }()
	_ = silent.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, _, err := silent.ReadFrom(make([]byte, 512)); err != nil {
		t.Fatalf("the name server is not asked: %v", err)
	}
	cancel()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("Run goes on")
	}
	goleak.VerifyNone(t, goroutines)
}
