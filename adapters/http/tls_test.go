package http_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/certtest"
)

const tlsHost = "presence.example.test"

// encrypted is a server with TLS, and what clients need for it.
type encrypted struct {
	*running
	authority *certtest.Authority
	dir       string // of the certificate and its key
	roots     string // file of the authority's certificate
	cfg       http.Config
}

// readTLS reads the files of TLS, and puts them into use.
func (r *running) readTLS(cfg http.Config) error {
	apply, err := r.PrepareTLS(cfg)
	if err == nil {
		apply()
	}
	return err
}

func startTLS(t tester, change ...func(*http.Config)) *encrypted {
	t.Helper()
	dir, err := os.MkdirTemp("", "tls")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	e := &encrypted{authority: certtest.NewAuthority(t), dir: dir, roots: filepath.Join(dir, "ca.pem")}
	if err := os.WriteFile(e.roots, e.authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	certificate, key := e.renew(t)
	e.running = start(t, append([]func(*http.Config){func(cfg *http.Config) { cfg.TLSCertFile, cfg.TLSKeyFile = certificate, key }}, append(change, func(cfg *http.Config) { e.cfg = *cfg })...)...)
	return e
}

// renew writes another certificate and key.
func (e *encrypted) renew(t tester) (certificate, key string) {
	t.Helper()
	text, private := e.authority.Issue(t, tlsHost, "127.0.0.1")
	return certtest.Write(t, e.dir, text, private)
}

// client is the TLS of a client that trusts the authority.
func (e *encrypted) client() *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(e.authority.PEM)
	return &tls.Config{RootCAs: roots, ServerName: tlsHost, CurvePreferences: []tls.CurveID{tls.CurveP256}} // the quickest under the race detector
}

// dial connects, with the handshake.
func (e *encrypted) dial(t tester, config *tls.Config) *tls.Conn {
	t.Helper()
	c := tls.Client(dial(t, e.Server), config)
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

// stream begins an event stream over a connection.
func (r *running) stream(t tester, c net.Conn) *stream {
	t.Helper()
	_, _ = fmt.Fprintf(c, "GET /v1/events?user=%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", mark, r.tokens.Issue(alice))
	response, err := nethttp.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || response.StatusCode != nethttp.StatusOK {
		t.Fatalf("%v, %v", response, err)
	}
	return &stream{Conn: c, head: response.Header, lines: bufio.NewReader(response.Body)}
}

const hstsHeader = "max-age=31536000"

// TestTLS has Go's client and curl do over TLS what is done without: each method, a refusal, a page, an event stream.
func TestTLS(t *testing.T) {
	e := startTLS(t)
	transport := &nethttp.Transport{TLSClientConfig: e.client(), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &nethttp.Client{Transport: documented(transport), Timeout: 10 * time.Second}
	base := "https://" + e.Addr().String()
	large := e.body(mark, strings.Repeat(" ", 900<<10))
	for _, asked := range []struct {
		method, path, body string
		want               int
	}{
		{"PUT", "/", e.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}}`), 200},
		{"POST", "/", e.body(mark, entry(1)), 200},
		{"POST", "/", large, 200},
		{"POST", "/", strings.Repeat(" ", 2<<20), 413},
		{"GET", "/v1/sources", "", 401},
		{"GET", "/board", "", 200},
		{"GET", "/nothing.ico", "", 404},
	} {
		request, err := nethttp.NewRequest(asked.method, base+asked.path, strings.NewReader(asked.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatalf("%s %s: %v", asked.method, asked.path, err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != asked.want || answer.Header.Get("Strict-Transport-Security") != hstsHeader || answer.ProtoMajor != 1 {
			t.Errorf("%s %s: %d %v %s", asked.method, asked.path, answer.StatusCode, answer.Header, answer.Proto)
		}
	}
	out, err := exec.Command("curl", "-sS", "--fail", "-X", "GET", "--cacert", e.roots, base+"/", "-d", e.body(mark, `{"user_id":"markd@zarafa.com"}`)).CombinedOutput()
	if want := `{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":""}}]}`; err != nil || string(out) != want {
		t.Errorf("curl: %v %s", err, out)
	}
	events := e.stream(t, e.dial(t, e.client()))
	if events.head.Get("Strict-Transport-Security") != hstsHeader {
		t.Errorf("the stream's header: %v", events.head)
	}
	e.knows(t, mark, spreed, domain.Away, "over TLS")
	events.until(t, "over TLS")
}

// TestNoTLS has no header that demands TLS.
func TestNoTLS(t *testing.T) {
	r := start(t)
	if got := r.do(t, "GET", ""); got.header.Get("Strict-Transport-Security") != "" {
		t.Errorf("%v", got.header)
	}
}

// TestOldTLSIsRefused tries every version that there is.
func TestOldTLSIsRefused(t *testing.T) {
	e := startTLS(t)
	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		config := e.client()
		config.MinVersion, config.MaxVersion = version, version
		c := tls.Client(dial(t, e.Server), config)
		if err := c.Handshake(); (err == nil) != good {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		_ = c.Close()
	}
	eventually(t, func() bool {
		return strings.Contains(e.log.String(), `msg="refused a connection" why="TLS: tls: client offered only unsupported versions`)
	})
}

// TestAskedWithoutTLS: a request without TLS gets an answer that says what is wrong. What is no request gets none.
func TestAskedWithoutTLS(t *testing.T) {
	e := startTLS(t)
	for _, method := range []string{"GET", "PUT", "OPTIONS", "DELETE"} {
		c := dial(t, e.Server)
		_, _ = io.WriteString(c, method+" / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 100_000))
		if got := parseAnswer(t, bufio.NewReader(c)); got.status != 400 || !strings.Contains(got.body, "HTTP request to an HTTPS server") {
			t.Errorf("%s: %d %s", method, got.status, got.body)
		}
		_ = c.Close()
	}
	c := dial(t, e.Server)
	defer c.Close()
	_, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n")
	if got, _ := io.ReadAll(c); len(got) != 0 {
		t.Errorf("ssh is answered with %q", got)
	}
}

// TestClientCertificates: with an authority for clients a connection needs one of its certificates.
func TestClientCertificates(t *testing.T) {
	authority := certtest.NewAuthority(t)
	roots := filepath.Join(t.TempDir(), "clients.pem")
	if err := os.WriteFile(roots, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	e := startTLS(t, func(cfg *http.Config) { cfg.TLSClientCAFile = roots })
	with := func(from *certtest.Authority) *tls.Config {
		config := e.client()
		if from != nil {
			pair, err := tls.X509KeyPair(from.IssueClient(t, "proxy"))
			if err != nil {
				t.Fatal(err)
			}
			config.Certificates = []tls.Certificate{pair}
		}
		return config
	}
	ask := func(config *tls.Config) (int, error) {
		transport := &nethttp.Transport{TLSClientConfig: config, DisableKeepAlives: true}
		answer, err := (&nethttp.Client{Transport: transport}).Get("https://" + e.Addr().String() + "/board")
		if err != nil {
			return 0, err
		}
		_ = answer.Body.Close()
		return answer.StatusCode, nil
	}
	right := with(authority)
	right.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for range 2 { // the second time the session is resumed
		if status, err := ask(right); status != 200 {
			t.Errorf("with the right one: %d, %v", status, err)
		}
	}
	if status, err := ask(with(nil)); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("without one: %d, %v", status, err)
	}
	if status, err := ask(with(certtest.NewAuthority(t))); err == nil {
		t.Errorf("with another's: %d", status)
	}
	eventually(t, func() bool {
		return strings.Contains(e.log.String(), "didn't provide a certificate") && strings.Contains(e.log.String(), "remote=127.0.0.1:")
	})
	if err := os.WriteFile(roots, certtest.NewAuthority(t).PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.readTLS(e.cfg); err != nil {
		t.Fatal(err)
	}
	if status, err := ask(right); err == nil { // whose session the client would resume
		t.Errorf("with one of an authority that does not count any more: %d", status)
	}
}

// TestANewCertificateDisturbsNobody replaces the certificate again and again, in two steps, while connections are busy and streams are open: none of
// them ends, no request fails, and new connections soon get the new one.
func TestANewCertificateDisturbsNobody(t *testing.T) {
	e := startTLS(t, func(cfg *http.Config) { cfg.MaxStreamsPerUser = 100 })
	e.knows(t, mark, spreed, domain.Available, "before")
	const connections, streams, renewals = 64, 100, 3
	var open []*stream
	for range streams {
		open = append(open, e.stream(t, e.dial(t, e.client())))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	var requests atomic.Int64
	for range connections {
		c := e.dial(t, e.client())
		asking.Go(func() {
			lines := bufio.NewReader(c)
			for ctx.Err() == nil {
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				_, _ = io.WriteString(c, request("GET", e.body(mark, `{"user_id":"markd@zarafa.com"}`)))
				if got := readAnswer(t, lines); got.status != 200 {
					t.Errorf("a request fails: %d %s", got.status, got.body)
					return
				}
				requests.Add(1)
				time.Sleep(30 * time.Millisecond) // the others need the processor too
			}
		})
	}
	serial := func() string {
		c := e.dial(t, e.client())
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	for i := range renewals {
		before, begin, asked := serial(), time.Now(), requests.Load()
		text, key := e.authority.Issue(t, tlsHost, "127.0.0.1")
		if err := os.WriteFile(e.cfg.TLSCertFile, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if i == 0 { // the daemon sees a pair that does not fit
			time.Sleep(2500 * time.Millisecond)
		}
		if got := serial(); got != before && i == 0 {
			t.Error("a certificate is in use whose key is not there")
		}
		if err := os.WriteFile(e.cfg.TLSKeyFile, key, 0o600); err != nil {
			t.Fatal(err)
		}
		if i == renewals-1 { // as a reload does
			if err := e.readTLS(e.cfg); err != nil || serial() == before {
				t.Errorf("the files of TLS: %v", err)
			}
		}
		eventually(t, func() bool { return serial() != before })
		e.knows(t, mark, spreed, domain.Busy, fmt.Sprintf("after renewal %d", i))
		for _, s := range open {
			_ = s.SetDeadline(time.Now().Add(10 * time.Second))
			s.until(t, fmt.Sprintf("after renewal %d", i))
		}
		t.Logf("renewal %d: %d requests in %v", i, requests.Load()-asked, time.Since(begin))
	}
	if log := e.log.String(); strings.Count(log, "TLS certificate in use") != renewals+1 {
		t.Errorf("the log:\n%s", log)
	}
}

// TestReadTLS keeps what there is if TLS is to be turned on or off, or the new files are wrong.
func TestReadTLS(t *testing.T) {
	plain, e := start(t), startTLS(t)
	if err := plain.readTLS(localConfig()); err != nil {
		t.Errorf("without TLS, as before: %v", err)
	}
	wrong := e.cfg
	wrong.TLSKeyFile = e.roots
	for name, err := range map[string]error{"on": plain.readTLS(e.cfg), "off": e.readTLS(localConfig()), "a wrong key": e.readTLS(wrong)} {
		if err == nil || !strings.Contains(err.Error(), "http.tls_cert_file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	e.dial(t, e.client())
	if got := plain.do(t, "GET", ""); got.status != 400 {
		t.Errorf("without TLS: %d", got.status)
	}
}

// TestHalfHandshakes: clients that send nothing, half a ClientHello or nothing after it are cut off as others are that say nothing, and keep nobody out.
func TestHalfHandshakes(t *testing.T) {
	const silent = 2000
	e := startTLS(t, func(cfg *http.Config) {
		cfg.MaxConnections, cfg.MaxAnonymousPerAddress, cfg.AnonymousTimeout = silent/2, silent, 2*time.Second
	})
	files, memory := descriptors(t), heap()
	hello := helloOf(t, e.client())
	var conns []net.Conn
	begin := time.Now()
	for i := range silent {
		c := dial(t, e.Server)
		defer c.Close()
		conns = append(conns, c)
		_, _ = c.Write([][]byte{nil, hello[:len(hello)/2], hello, []byte("\x16\x03\x01\xff\xff")}[i%4])
	}
	known := e.dial(t, e.client())
	asked(t, known, put(e.body(mark, "")), 200)
	t.Logf("%d connections in %v, %d KiB each", silent, time.Since(begin), (heap()-memory)/silent>>10)
	for i, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, c); err != nil && os.IsTimeout(err) {
			t.Fatalf("connection %d is still there", i)
		}
		_ = c.Close()
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	asked(t, known, put(e.body(mark, "")), 200)
	eventually(t, func() bool { return descriptors(t) <= files+10 })
}

// TestNoPlaceOverTLS: a connection that has no place is closed without a handshake, and one that fails it does not fill the log.
func TestNoPlaceOverTLS(t *testing.T) {
	e := startTLS(t, func(cfg *http.Config) { cfg.MaxAnonymousPerAddress = 1 })
	first := dial(t, e.Server)
	defer first.Close()
	second := dial(t, e.Server)
	defer second.Close()
	if got, _ := io.ReadAll(second); len(got) != 0 {
		t.Errorf("the second connection gets %q", got)
	}
	if !strings.Contains(e.log.String(), "max_anonymous_per_address") {
		t.Errorf("the log:\n%s", e.log.String())
	}
	_ = first.Close()
	for range 20 {
		c := dial(t, e.Server)
		_, _ = io.WriteString(c, "\x16\x03\x01\x00\x05hello")
		_, _ = io.ReadAll(c)
		_ = c.Close()
	}
	if err := e.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(e.log.String(), `msg="refused a connection"`); n == 0 || n > 3 || !strings.Contains(e.log.String(), `msg="refused further connections" count=`) {
		t.Errorf("%d lines:\n%s", n, e.log.String())
	}
}

// helloOf is the first thing that a client sends.
func helloOf(t tester, config *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	var hello bytes.Buffer
	var copying sync.WaitGroup
	copying.Go(func() { _, _ = io.Copy(&hello, server) })
	_ = client.SetDeadline(time.Now().Add(200 * time.Millisecond))
	_ = tls.Client(client, config).Handshake()
	_, _ = client.Close(), server.Close()
	copying.Wait()
	return hello.Bytes()
}

// TestStopIsQuickOverTLS stops a server with half handshakes, idle connections, unread answers and streams.
func TestStopIsQuickOverTLS(t *testing.T) {
	e := startTLS(t)
	e.knows(t, mark, spreed, domain.Available, strings.Repeat("x", 4000))
	hello := helloOf(t, e.client())
	_, _ = dial(t, e.Server).Write(hello[:100])
	_, _ = dial(t, e.Server).Write(hello)
	asked(t, e.dial(t, e.client()), put(e.body(mark, "")), 200)
	many := e.body(mark, strings.TrimSuffix(strings.Repeat(`{"user_id":"markd@zarafa.com"},`, 10_000), ","))
	_, _ = io.WriteString(e.dial(t, e.client()), request("GET", many)) // and never reads 40 MB
	live := e.stream(t, e.dial(t, e.client()))
	e.stream(t, e.dial(t, e.client())) // which is not read
	live.until(t, "event: ready")
	began := time.Now()
	if err := e.Stop(context.Background()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if took := time.Since(began); took > 1400*time.Millisecond {
		t.Errorf("Stop took %v", took)
	}
	live.until(t, "event: end")
	if rest, err := io.ReadAll(live); err != nil || len(rest) != 0 { // TLS says that this was the end
		t.Errorf("after the end: %q, %v", rest, err)
	}
}

// TestASlowReaderOverTLS: a stream that is not read gets the latest state in the end, whole, and the others are not held up.
func TestASlowReaderOverTLS(t *testing.T) {
	e := startTLS(t)
	slow, quick := e.stream(t, e.dial(t, e.client())), e.stream(t, e.dial(t, e.client()))
	const changes = 2000
	for i := range changes {
		e.knows(t, mark, spreed, domain.Available, fmt.Sprintf("%04d%s", i, strings.Repeat("x", 4000)))
		if i%100 == 0 {
			quick.until(t, fmt.Sprintf(`%04dx`, i))
		}
	}
	last := fmt.Sprintf(`%04dx`, changes-1)
	quick.until(t, last)
	told := slow.until(t, last)
	if n := strings.Count(told, "event: presence"); n >= changes || n == 0 {
		t.Errorf("it was told of %d changes", n)
	}
	e.knows(t, mark, spreed, domain.Busy, "the end")
	slow.until(t, "the end")
	quick.until(t, "the end")
}

// TestAnUpdateOverTLSWhoseClientHasGone is not repeated, as without TLS.
func TestAnUpdateOverTLSWhoseClientHasGone(t *testing.T) {
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprintf("the client has gone: %t", gone), func(t *testing.T) {
			e := startTLS(t)
			client := e.dial(t, e.client())
			e.core.Journal.Before(1, func() error {
				newer := domain.Presence{Protocol: spreed}.Observe(domain.Shown{Status: domain.Away, Message: "newer"}, domain.ExpiryPolicy{}, e.core.Clock.Now())
				e.core.Elsewhere(t, 0, image.Write{User: mark, Old: domain.Presence{Protocol: spreed}, New: newer})
				if gone {
					_ = client.Close()
					time.Sleep(50 * time.Millisecond) // so that the server's side has heard of it
				}
				return nil
			})
			_, _ = io.WriteString(client, request("PUT", e.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":"older"}}`)))
			want := "newer"
			if !gone {
				want = "older"
				readAnswer(t, bufio.NewReader(client))
			}
			for deadline := time.Now().Add(500 * time.Millisecond); gone && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
				if p, _ := e.core.Presences(mark).On(spreed); p.Message == "older" {
					break
				}
			}
			if p, _ := e.core.Presences(mark).On(spreed); p.Message != want {
				t.Errorf("the core has %q, want %q", p.Message, want)
			}
		})
	}
}
