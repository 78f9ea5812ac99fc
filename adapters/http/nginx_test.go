package http_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/internal/freeport"
)

// nginxConfig passes everything on that nginx can be made to pass on, over one connection that it keeps.
const nginxConfig = `
daemon off;
worker_processes 1;
pid %[1]s/pid;
error_log stderr crit;
events { worker_connections 100; }
http {
	access_log off;
	ignore_invalid_headers off;
	underscores_in_headers on;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	upstream presence { server %[3]s; keepalive 1; }
	server {
		listen %[2]s;
		location / {
			proxy_pass http://presence;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
		}
	}
}
`

// startNginx starts nginx in front of a server, and returns its address.
func startNginx(t *testing.T, server net.Addr) string {
	t.Helper()
	dir, address := t.TempDir(), freeport.Address(t)
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, address, server), 0o600); err != nil {
		t.Fatal(err)
	}
	nginx := exec.Command("/usr/sbin/nginx", "-c", config, "-p", dir)
	var said bytes.Buffer
	nginx.Stderr = &said
	if err := nginx.Start(); err != nil {
		t.Fatalf("nginx, from Debian's package of that name: %v", err)
	}
	t.Cleanup(func() {
		_ = nginx.Process.Signal(syscall.SIGTERM)
		if err := nginx.Wait(); err != nil {
			t.Errorf("nginx: %v\n%s", err, &said)
		}
	})
	eventually(t, func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return address
}

// TestNothingIsSmuggledThroughNginx sends the same lines through nginx. Whatever nginx makes of them, nothing of the body is carried out, and the next
// client gets the answer to what it has asked.
func TestNothingIsSmuggledThroughNginx(t *testing.T) {
	r := start(t)
	address := startNginx(t, r.Addr())
	inner := put(r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}}`))
	ask := func(request string) answer {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, request)
		return parseAnswer(t, bufio.NewReader(c))
	}
	for _, line := range hostileNames {
		refused := ask(fmt.Sprintf("GET /v1/users/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n"+line+"\r\n\r\n%s",
			mark, r.tokens.Issue(mark), len(inner), len(inner), inner))
		if refused.status >= 500 && refused.status != 501 { // which is nginx's own
			t.Errorf("%q: %d %.80s", line, refused.status, refused.body)
		}
		next := ask(fmt.Sprintf("GET /v1/users/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", alice, r.tokens.Issue(alice)))
		if next.status != 200 || !strings.Contains(next.body, alice) {
			t.Errorf("the client after %q: %d %.80s", line, next.status, next.body)
		}
	}
	if state := r.state(); state != "" {
		t.Errorf("what was smuggled was carried out: %s", state)
	}
}

// TestTheProxyNamesItsClient is refused through nginx. The log has the address of nginx' client, if nginx is trusted, and never one that the client
// has made up.
func TestTheProxyNamesItsClient(t *testing.T) {
	for _, test := range []struct {
		trusted []string
		claims  string // what the client says by itself
		want    string
	}{
		{nil, "", `remote=127.0.0.1:`},
		{nil, "192.0.2.7", `remote=127.0.0.1:`},
		{[]string{"192.0.2.0/24"}, "192.0.2.7", `remote=127.0.0.1:`},
		{[]string{"127.0.0.1"}, "192.0.2.7", `remote="192.0.2.7 by way of 127.0.0.1:`}, // 127.0.0.1 is a proxy, so its client is believed, too
		{[]string{"127.0.0.0/8"}, "198.51.100.1, 192.0.2.7", `remote="192.0.2.7 by way of 127.0.0.1:`},
		{[]string{"127.0.0.1"}, "nonsense", `remote=127.0.0.1:`},
		{[]string{"127.0.0.1"}, "2001:db8::1", `remote="2001:db8::1 by way of 127.0.0.1:`},
	} {
		r := start(t, func(cfg *http.Config) { cfg.TrustedProxies = test.trusted })
		c, err := net.DialTimeout("tcp", startNginx(t, r.Addr()), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(c, "GET /v1/sources HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\nConnection: close\r\n\r\n", test.claims)
		if got := parseAnswer(t, bufio.NewReader(c)); got.status != 401 {
			t.Errorf("%d %s", got.status, got.body)
		}
		_ = c.Close()
		if log := r.log.String(); !strings.Contains(log, test.want) {
			t.Errorf("%v, %q: %s", test.trusted, test.claims, log)
		}
	}
}
