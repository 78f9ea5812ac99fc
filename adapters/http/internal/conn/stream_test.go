package conn

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/internal/certtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns a stream over TLS and its client, whose receive buffer is small.
func pair(t *testing.T) (stream *Stream, client *tls.Conn) {
	t.Helper()
	authority := certtest.NewAuthority(t)
	certificate, err := tls.X509KeyPair(authority.Issue(t, "localhost"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.PEM)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.(*net.TCPConn).SetReadBuffer(32 << 10)
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	out := &outlet{Socket: accepted.(Socket)}
	server := tls.Server(out, &tls.Config{Certificates: []tls.Certificate{certificate}, DynamicRecordSizingDisabled: true})
	client = tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "localhost"})
	var shaking sync.WaitGroup
	shaking.Go(func() {
		if err := client.Handshake(); err != nil {
			t.Error(err)
		}
	})
	if err := server.Handshake(); err != nil {
		t.Error(err)
	}
	shaking.Wait()
	t.Cleanup(func() { _, _ = accepted.Close(), raw.Close() })
	stream = newSecureStream(server, out)
	_ = stream.SetWriteBuffer(16 << 10)
	return stream, client
}

// text is n bytes that differ.
func text(n int) []byte {
	all := make([]byte, n)
	for i := range all {
		all[i] = byte(i*7 + i>>8)
	}
	return all
}

// TestWriteNowNeverWaits writes to a client that does not read until nothing goes any more, and then the rest with Write: it all arrives, once.
func TestWriteNowNeverWaits(t *testing.T) {
	stream, client := pair(t)
	all := text(1 << 20)
	sent, waits := 0, false
	for sent < len(all) && !waits {
		begin := time.Now()
		n, waiting, err := stream.WriteNow(all[sent:min(sent+64<<10, len(all))])
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Fatalf("it took %v", took)
		}
		sent, waits = sent+n, waiting
	}
	if !waits || sent == len(all) {
		t.Fatalf("%d bytes went out to a client that does not read", sent)
	}
	if n, waiting, err := stream.WriteNow(all[sent:]); n != 0 || !waiting || err != nil {
		t.Errorf("once more: %d, %t, %v", n, waiting, err)
	}
	if len(stream.out.kept) > 2*maxRecord {
		t.Errorf("%d bytes are kept", len(stream.out.kept))
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		if n, err := stream.Write(all[sent:]); n != len(all)-sent || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
		_ = stream.Close()
	})
	got, err := io.ReadAll(client)
	writing.Wait()
	if err != nil || !bytes.Equal(got, all) {
		t.Errorf("the client has %d bytes, %v; want %d", len(got), err, len(all))
	}
}

// TestCloseNeverWaits closes a stream whose client does not read, while something is being written or not.
func TestCloseNeverWaits(t *testing.T) {
	for name, busy := range map[string]bool{"idle": false, "while it is written to": true} {
		t.Run(name, func(t *testing.T) {
			stream, _ := pair(t)
			var writing sync.WaitGroup
			if busy {
				writing.Go(func() { _, _ = stream.Write(text(1 << 20)) })
				time.Sleep(50 * time.Millisecond)
			} else if _, waiting, err := stream.WriteNow(text(1 << 20)); !waiting || err != nil {
				t.Fatal(waiting, err)
			}
			begin := time.Now()
			_ = stream.Close()
			writing.Wait()
			if took := time.Since(begin); took > time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestAClientThatMakesTLSAnswer has TLS answer a client that does not read, as a request for new keys does: nobody waits for the client, and not
// much is kept for it.
func TestAClientThatMakesTLSAnswer(t *testing.T) {
	stream, _ := pair(t)
	if _, waiting, err := stream.WriteNow(text(1 << 20)); !waiting || err != nil {
		t.Fatal(waiting, err)
	}
	var err error
	for written := 0; err == nil; written += 9 {
		if written > 2*maxHeld {
			t.Fatal("there is no end")
		}
		_, err = stream.out.Write([]byte("an answer"))
	}
	if len(stream.out.kept) > maxHeld {
		t.Errorf("%d bytes are kept", len(stream.out.kept))
	}
	if _, _, err := stream.WriteNow([]byte("x")); err != nil {
		t.Errorf("there is nothing wrong with the stream: %v", err)
	}
}
