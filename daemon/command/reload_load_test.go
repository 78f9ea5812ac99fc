package command

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	loadConnections = 64
	loadStreams     = 1000
)

// crowd is clients that use a daemon while it reloads.
type crowd struct {
	requests, failed atomic.Int64
	fault            atomic.Value // the first that a request had

	stop    chan struct{}
	running sync.WaitGroup
	streams []*stayer
}

// stayer is an event stream.
type stayer struct {
	conn  *rawConn
	other bool          // its token is made with the other secret
	ended chan struct{} // closed when the stream has
	last  string        // what came last; read it when the stream has ended
	told  atomic.Int64  // how many events it got
}

// gather begins the requests and the streams.
func gather(t *testing.T, r *reloading) *crowd {
	t.Helper()
	c := &crowd{stop: make(chan struct{})}
	for i := range loadStreams {
		user, secret := fmt.Sprintf("user%d@example.test", i), testSecret
		if i%2 == 1 {
			secret = otherS
		}
		f := &stayer{conn: r.dial(t, get("/v1/events?user="+markd, signed(secret, user, time.Now()))), other: i%2 == 1, ended: make(chan struct{})}
		_ = f.conn.SetDeadline(time.Time{})
		c.streams = append(c.streams, f)
		c.running.Go(f.read)
	}
	for i := range loadConnections {
		conn := r.dial(t, "")
		_ = conn.SetDeadline(time.Time{})
		c.running.Go(func() { c.request(conn, i) })
	}
	return c
}

func (f *stayer) read() {
	defer close(f.ended)
	for {
		line, err := f.conn.lines.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "event: presence") {
			f.told.Add(1)
		}
		if strings.TrimSpace(line) != "" {
			f.last = line
		}
	}
}

// request asks and updates in turns, on one connection.
func (c *crowd) request(conn *rawConn, i int) {
	user := fmt.Sprintf("client%d@example.test", i)
	token := signed(testSecret, user, time.Now())
	put := fmt.Sprintf("PUT /v1/users/%s/spreed HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 17\r\n\r\n{\"status\":\"busy\"}", user, token)
	for turn := 0; ; turn++ {
		select {
		case <-c.stop:
			return
		default:
		}
		text, want := get("/v1/users/"+user, token), http.StatusOK
		if turn%2 == 0 {
			text, want = put, http.StatusNoContent
		}
		_, err := conn.Write([]byte(text))
		status := conn.answer()
		c.requests.Add(1)
		if err != nil || status != want {
			c.failed.Add(1)
			c.fault.CompareAndSwap(nil, fmt.Sprintf("%.20q: status %d, %v", text, status, err))
			return
		}
	}
}

// alive counts the streams that go on.
func (c *crowd) alive(other bool) (n int) {
	for _, f := range c.streams {
		select {
		case <-f.ended:
		default:
			if f.other == other {
				n++
			}
		}
	}
	return n
}

// TestReloadUnderLoad: no reload makes a request fail, or ends a stream that need not end. A secret that is revoked ends the streams whose tokens it has
// signed, and no other.
func TestReloadUnderLoad(t *testing.T) {
	r := reloads(t, map[string]string{"protocols": "[lamp]", "auth.old_secrets": "[" + otherS + "]", "http.max_anonymous_per_address": "2000", "http.rate_per_user": "0"})
	r.shows(t, "on")
	c := gather(t, r)
	eventually(t, "all streams are told of a change", func() bool {
		_ = r.ask(t, markd, "PUT", "/v1/users/"+markd+"/manual", `{"status":"busy","message":"`+fmt.Sprint(time.Now().UnixNano())+`"}`)
		for _, f := range c.streams {
			if f.told.Load() == 0 {
				return false
			}
		}
		return true
	})
	began, ended := lampBegan.Load(), lampEnded.Load()

	unconcerned := []map[string]string{
		{"http.max_answer": "2MiB", "http.idle_timeout": "10s", "http.max_header": "8KiB"}, {"http.max_streams": "10", "http.max_streams_per_user": "1"},
		{"auth.services": "[" + clerk + ", " + markd + "]"}, {"auth.update": "any"}, {"spreed.auto_unavailable": "1m"}, {"manual.enabled": "false"},
		{"store.retain": "48h", "store.max_devices": "2"}, {"http.cors_origins": "[" + page + "]", "http.trusted_proxies": "[192.0.2.1]"}, {"log.level": "warn"}, {},
	}
	for _, change := range unconcerned {
		before := c.requests.Load()
		if status := r.change(t, change); strings.Contains(status, "failed") {
			t.Fatal(status)
		}
		eventually(t, "requests go on", func() bool { return c.requests.Load() > before+loadConnections || c.failed.Load() > 0 })
	}
	if err := os.WriteFile(r.file, []byte("auth: {secret: "+testSecret+", services: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status := r.hangup(t); !strings.Contains(status, "reload failed") {
		t.Errorf("of a faulty file the status is %q", status)
	}
	if failed, all := c.failed.Load(), c.requests.Load(); failed > 0 {
		t.Errorf("%d of %d requests failed; the first: %v", failed, all, c.fault.Load())
	}
	if a, b := c.alive(false), c.alive(true); a+b != loadStreams {
		t.Errorf("%d of %d streams go on", a+b, loadStreams)
	}
	if lampBegan.Load() != began || lampEnded.Load() != ended {
		t.Error("a source that was not concerned has begun anew")
	}

	at := time.Now()
	r.change(t, map[string]string{"auth.old_secrets": "", "lamp.message": "off"})
	eventually(t, "the streams end whose tokens are not accepted any more", func() bool { return c.alive(true) == 0 })
	eventually(t, "the source has begun anew, once", func() bool { return lampBegan.Load() == began+1 && lampEnded.Load() == ended+1 })
	if took := time.Since(at); took > 3*time.Second { // a second, and 64 clients do their best to be in the way
		t.Errorf("that took %v", took)
	}
	if n := c.alive(false); n != loadStreams/2 || c.failed.Load() > 0 {
		t.Errorf("%d of %d others go on; %d requests failed: %v", n, loadStreams/2, c.failed.Load(), c.fault.Load())
	}
	for _, f := range c.streams {
		if f.other && !strings.Contains(f.last, `{"reason":"expired"}`) {
			t.Fatalf("a stream ended with %q", f.last)
		}
	}
	told := c.streams[0].told.Load()
	_ = r.ask(t, markd, "PUT", "/v1/users/"+markd+"/manual", `{"status":"away"}`)
	eventually(t, "the others are told of changes", func() bool { return c.streams[0].told.Load() > told })
	t.Logf("%d requests", c.requests.Load())
	close(c.stop)
	for _, f := range c.streams {
		_ = f.conn.Close()
	}
	c.running.Wait()
}

// A service that is none any more may not be told of everybody; its other streams go on.
func TestRevokedService(t *testing.T) {
	r := reloads(t, nil)
	open := func(path string) *bufio.Reader {
		c := r.dial(t, get(path, signed(testSecret, clerk, time.Now())))
		response, err := http.ReadResponse(c.lines, nil)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %v", path, response, err)
		}
		return bufio.NewReader(response.Body)
	}
	until := func(from *bufio.Reader, want string) {
		t.Helper()
		for {
			line, err := from.ReadString('\n')
			if err != nil {
				t.Fatalf("the stream ends before %s: %v", want, err)
			}
			if strings.Contains(line, want) {
				return
			}
		}
	}
	everybody, one := open("/v1/events"), open("/v1/events?user="+markd)
	until(everybody, "event: ready")
	until(one, "event: ready")
	r.change(t, map[string]string{"auth.services": "[]"})
	until(everybody, `{"reason":"expired"}`)
	_ = r.ask(t, markd, "PUT", "/v1/users/"+markd+"/manual", `{"status":"away"}`)
	until(one, "event: presence")
}
