package command

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/browsertest"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/oidctest"
	"github.com/zarafa/presence/internal/syncbuffer"
)

// exampleOf returns the first example of a page of docs in a language.
func exampleOf(t *testing.T, page, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has no example in %s", page, language)
	}
	return string(found[1])
}

// TestProxyExamplesAgree: the examples of the page about signing in are those of the page for operators, and the lines that sign people in.
func TestProxyExamplesAgree(t *testing.T) {
	for language, added := range map[string]string{
		"nginx": `(?m)^ *(auth_basic|auth_basic_user_file|proxy_set_header X-Remote-User) .*\n`,
		"caddy": `(?m)^ *basicauth \{\n.*\n *\}\n|^ *header_up X-Remote-User .*\n`,
	} {
		plain, signsIn := exampleOf(t, "operations.md", language), exampleOf(t, "signin.md", language)
		if rest := regexp.MustCompile(added).ReplaceAllString(signsIn, ""); rest == signsIn || rest != plain {
			t.Errorf("operations.md has\n%s\nand signin.md\n%s", plain, signsIn)
		}
	}
}

// signinExample returns an example of docs/signin.md, with other words in it. Each of them must be there.
func signinExample(t *testing.T, language string, words ...string) string {
	t.Helper()
	text := exampleOf(t, "signin.md", language)
	for i := 0; i < len(words); i += 2 {
		if !strings.Contains(text, words[i]) {
			t.Errorf("the example in %s has no %q", language, words[i])
		}
		text = strings.ReplaceAll(text, words[i], words[i+1])
	}
	return text
}

// runProxy runs a proxy until the test ends.
func runProxy(t *testing.T, address, program string, args ...string) {
	t.Helper()
	proxy := exec.Command(program, args...)
	proxy.Env = append(os.Environ(), "HOME="+t.TempDir())
	var said syncbuffer.Buffer
	proxy.Stdout, proxy.Stderr = &said, &said
	if err := proxy.Start(); err != nil {
		t.Fatalf("%s, of a Debian package that scripts/install-test-packages installs: %v", program, err)
	}
	t.Cleanup(func() {
		_ = proxy.Process.Signal(syscall.SIGTERM)
		if err := proxy.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", program, err, said.String())
		}
	})
	eventually(t, program+" listens", func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

func startNginxThatSignsIn(t *testing.T, address, daemon string) {
	dir := t.TempDir()
	passwords := filepath.Join(dir, "htpasswd")
	example := signinExample(t, "nginx", "listen 443 ssl http2;", "listen "+address+";", "ssl_certificate /etc/nginx/presence.pem;", "", "ssl_certificate_key /etc/nginx/presence.key;", "",
		"/etc/nginx/presence.htpasswd", passwords, "127.0.0.1:1234", daemon)
	config := filepath.Join(dir, "nginx.conf")
	for file, text := range map[string]string{
		passwords: "alice:{PLAIN}" + oidctest.Password + "\n",
		config: fmt.Sprintf("daemon off; worker_processes 1; user root; pid %[1]s/pid; error_log stderr crit; events { worker_connections 100; }\nhttp {\naccess_log off; client_body_temp_path %[1]s/b; "+
			"proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n%s}\n", dir, example),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runProxy(t, address, "/usr/sbin/nginx", "-c", config, "-p", dir)
}

func startCaddyThatSignsIn(t *testing.T, address, daemon string) {
	const hash = "$2a$04$0xTWEG9iRs0wkDgSNdjSueG4OAn3/fD05zXQn3W/03M/.xDbc0VeG" // of everybody's password, by bcrypt, with a cost of 4: Caddy's own of 14 takes a second
	example := signinExample(t, "caddy", "presence.example.test {", "http://"+address+" {", "$2a$14$...", hash, "127.0.0.1:1234", daemon)
	config := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(config, []byte("{\nadmin off\n}\n"+example), 0o600); err != nil {
		t.Fatal(err)
	}
	runProxy(t, address, "/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", config)
}

// TestSignInByProxy runs the examples of docs/signin.md in front of a daemon: the board signs in the user that the proxy names, and what a client
// writes into the header does not count.
func TestSignInByProxy(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, address, daemon string){"nginx": startNginxThatSignsIn, "caddy": startCaddyThatSignsIn} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, "", "PRESENCE_HTTP__TRUSTED_PROXIES=127.0.0.1", "PRESENCE_AUTH__PROXY_HEADER=X-Remote-User")
			address := freeport.Address(t)
			start(t, address, o.address())
			askProxy(t, address)
			if name == "nginx" {
				boardBehindProxy(t, o, address)
			}
		})
	}
}

// boardBehindProxy opens the board by way of a proxy.
func boardBehindProxy(t *testing.T, o *office, address string) {
	t.Helper()
	o.put(t, "bob@example.test", "busy", "1")
	page := browsertest.Start(t, browsertest.Chromium).Open(t, "http://alice:"+strings.ReplaceAll(oidctest.Password, " ", "%20")+"@"+address+"/livez", browsertest.Desktop)
	page.Expect("favicon")
	page.Navigate(t, "http://"+address+"/board") // Chromium knows the password by now
	page.Until(t, "alice is asked for the users that she wants to see", `!document.querySelector("#naming").hidden && document.querySelector("#naming-why").innerText.startsWith("alice@example.test ")`)
	page.Type(t, "#users", "bob@example.test")
	page.Click(t, "#naming button")
	page.Until(t, "bob is shown", row("bob")+` === "busy|1|spreed" && `+isLive)
	o.put(t, "bob@example.test", "away", "2")
	page.Until(t, "and followed", row("bob")+` === "away|2|spreed"`)
	page.Run(t, `const { connect } = await import("/client.js"); await connect({ token: null }).set("busy", { message: "mine" })`)
	if _, body := v1(t, o.url, http.MethodGet, "users/alice@example.test", ""); !strings.Contains(body, `"mine"`) {
		t.Errorf("alice has not set it: %s", body)
	}
	if !browsertest.Eval[bool](t, page, `document.querySelector("#sign-out").hidden`) {
		t.Error("it offers to sign out, which only the proxy can do")
	}
}

// askProxy asks as alice, and as somebody who pretends to be bob.
func askProxy(t *testing.T, address string) {
	t.Helper()
	for _, test := range []struct {
		method, path, password string
		header                 map[string]string
		status                 int
		says                   string
	}{
		{"GET", "/v1/me", oidctest.Password, nil, 200, `"user":"alice@example.test"`},
		{"GET", "/v1/me", oidctest.Password, map[string]string{"X-Remote-User": "bob@example.test"}, 200, `"user":"alice@example.test"`},
		{"GET", "/v1/me", oidctest.Password, map[string]string{"x-remote-user": "bob@example.test", "Connection": "X-Remote-User"}, 200, `"user":"alice@example.test"`},
		{"GET", "/v1/me", "wrong", map[string]string{"X-Remote-User": "bob@example.test"}, 401, ""},
		{"PUT", "/v1/users/alice@example.test/manual", oidctest.Password, map[string]string{"Origin": "http://" + address}, 204, ""},
		{"PUT", "/v1/users/bob@example.test/manual", oidctest.Password, map[string]string{"Origin": "http://" + address}, 403, "may not update"},
		{"PUT", "/v1/users/alice@example.test/manual", oidctest.Password, map[string]string{"Origin": "http://evil.example.test"}, 403, "page of this server"},
		{"PUT", "/v1/users/alice@example.test/manual", oidctest.Password, map[string]string{"Origin": "http://evil.example.test", "X-Forwarded-Host": "evil.example.test"}, 403, "page of this server"},
		{"PUT", "/v1/users/alice@example.test/manual", oidctest.Password, nil, 403, "page of this server"},
	} {
		request, err := http.NewRequest(test.method, "http://"+address+test.path, strings.NewReader(`{"status":"away","ttl":60}`))
		if err != nil {
			t.Fatal(err)
		}
		if test.method == http.MethodGet {
			request.Body, request.ContentLength = nil, 0
		}
		request.SetBasicAuth("alice", test.password)
		for name, value := range test.header {
			request.Header[name] = []string{value}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != test.status || !strings.Contains(string(body), test.says) {
			t.Errorf("%s %s %v: %d %s; want %d, %s", test.method, test.path, test.header, response.StatusCode, body, test.status, test.says)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
