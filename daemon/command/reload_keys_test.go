package command

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/certtest"
)

// keyChange changes a key of a running daemon, and looks whether that has an effect.
type keyChange struct {
	value  string            // in YAML
	with   map[string]string // what has to change, too
	before func(*keyTest)    // what is to be there before the change
	effect func(*keyTest) bool
}

// keyTest is a daemon whose keys are changed one after the other.
type keyTest struct {
	*testing.T
	*reloading
	dir   string
	held  any       // what before has left for effect
	asked time.Time // when the daemon was asked to reload
	log   int       // how long the log was then
}

// knownConn returns a connection that has shown a valid token.
func (k *keyTest) knownConn(user string) *rawConn {
	c := k.dial(k.T, get("/v1/users/"+markd, signed(testSecret, user, time.Now())))
	if status := c.answer(); status != 200 {
		k.Errorf("a request on a connection of its own: %d", status)
	}
	return c
}

// stream begins an event stream and returns its status.
func (k *keyTest) stream(user, users string) (status int, c *rawConn) {
	c = k.dial(k.T, get("/v1/events?"+users, signed(testSecret, user, time.Now())))
	response, err := http.ReadResponse(c.lines, nil)
	if err != nil {
		return 0, c
	}
	return response.StatusCode, c
}

// closes reports whether the server ends a connection within some seconds after it was sent something.
func (k *keyTest) closes(text string) bool {
	c := k.dial(k.T, text)
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	return c.end()
}

// keeps reports whether the log says that a key has its old value until the next start.
func (k *keyTest) keeps(key string) bool {
	return strings.Contains(k.logged(), "its old value holds\" key="+key+"\n")
}

// put sets a status with API v1 and returns the status of the answer.
func (k *keyTest) put(user, of, protocol, body string) int {
	return k.ask(k.T, user, "PUT", "/v1/users/"+of+"/"+protocol, body).status
}

func (k *keyTest) user(id string) string { return k.ask(k.T, clerk, "GET", "/v1/users/"+id, "").body }

// accepts reports whether a token is accepted.
func (k *keyTest) accepts(token string) bool {
	return k.ask(k.T, token, "GET", "/v1/users/"+markd, "").status == 200
}

var longMessage = strings.Repeat("x", 4000)

// query is a request of the original API about one user, many times.
func query(times int) string {
	body := fmt.Sprintf(`{"AuthenticationToken":%q,"Type":"UserStatus","UserStatus":[%s]}`, signed(testSecret, markd, time.Now()),
		strings.TrimSuffix(strings.Repeat(`{"user_id":"long@example.test"},`, times), ","))
	return fmt.Sprintf("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func putLong(k *keyTest) {
	if status := k.put(clerk, "long@example.test", "manual", `{"status":"busy","message":"`+longMessage+`"}`); status != 204 {
		k.Errorf("setting a long message: %d", status)
	}
}

var wallKey, wallHash = auth.NewKey()

const page = "https://intranet.example.test"

var keyChanges = map[string]keyChange{
	"http.max_connections": {value: "1",
		before: func(k *keyTest) { k.held = k.knownConn(markd) },
		effect: func(k *keyTest) bool { return k.dial(k.T, get("/v1/sources", "x")).answer() == 503 }},
	"http.max_streams": {value: "1",
		before: func(k *keyTest) { _, k.held = k.stream(markd, "user="+markd) },
		effect: func(k *keyTest) bool { status, _ := k.stream(clerk, "user="+markd); return status == 503 }},
	"http.max_streams_per_user": {value: "1",
		before: func(k *keyTest) { _, k.held = k.stream("anna@example.test", "user="+markd) },
		effect: func(k *keyTest) bool {
			return strings.Contains(k.ask(k.T, "anna@example.test", "GET", "/v1/events?user="+markd, "").body, "max_streams_per_user")
		}},
	"http.max_watched_per_user": {value: "1", effect: func(k *keyTest) bool {
		return strings.Contains(k.ask(k.T, "bea@example.test", "GET", "/v1/events?user=a@example.test&user=b@example.test", "").body, "max_watched_per_user")
	}},
	"http.max_anonymous_per_address": {value: "1",
		before: func(k *keyTest) { k.held = k.dial(k.T, "") },
		effect: func(k *keyTest) bool { return k.dial(k.T, get("/v1/sources", "x")).answer() == 503 }},
	"http.rate_per_user": {value: "1", effect: func(k *keyTest) bool {
		return soon(func() bool { return k.ask(k.T, "carl@example.test", "GET", "/v1/users/"+markd, "").status == 429 })
	}},
	"http.rate_per_address": {value: "1", effect: func(k *keyTest) bool {
		return soon(func() bool { return k.ask(k.T, "1:x:y", "GET", "/v1/users/"+markd, "").status == 429 })
	}},
	"http.trusted_proxies": {value: "[127.0.0.1]", effect: func(k *keyTest) bool {
		time.Sleep(1100 * time.Millisecond) // one line a second
		k.ask(k.T, "1:x:y", "GET", "/v1/sources", "", "X-Forwarded-For", "192.0.2.7")
		return strings.Contains(k.logged(), "192.0.2.7")
	}},
	"http.header_timeout": {value: "300ms", effect: func(k *keyTest) bool { return k.closes("GET / HTTP/1.1\r\n") }},
	"http.read_timeout": {value: "300ms", effect: func(k *keyTest) bool {
		return k.closes("PUT /v1/users/" + markd + "/manual HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nAuthorization: Bearer " + signed(testSecret, markd, time.Now()) + "\r\n\r\n{")
	}},
	"http.write_timeout": {value: "300ms", before: putLong, effect: func(k *keyTest) bool {
		c := k.dial(k.T, query(5000)) // 20 MB
		time.Sleep(time.Second)
		response, err := http.ReadResponse(c.lines, nil)
		if err != nil {
			return true
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return err != nil
	}},
	"http.idle_timeout": {value: "300ms", effect: func(k *keyTest) bool {
		c := k.knownConn(markd)
		_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
		return c.end()
	}},
	"http.anonymous_timeout": {value: "300ms", effect: func(k *keyTest) bool { return k.closes("") }},
	"http.max_bodies": {value: "2MiB", effect: func(k *keyTest) bool {
		begun := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n" + strings.Repeat(" ", 600<<10)
		refused := make(chan bool, 3)
		for range 3 {
			c := k.dial(k.T, begun)
			go func() { refused <- c.answer() == 503 }()
		}
		return <-refused
	}},
	"http.max_answer": {value: "1MiB", before: putLong, effect: func(k *keyTest) bool { return k.dial(k.T, query(300)).answer() == 413 }},
	"http.max_header": {value: "4KiB", effect: func(k *keyTest) bool {
		return k.dial(k.T, "GET /v1/sources HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("y", 5000)+"\r\n\r\n").answer() == 431
	}},
	"http.cors_origins": {value: "[" + page + "]", effect: func(k *keyTest) bool {
		return k.ask(k.T, markd, "GET", "/v1/users/"+markd, "", "Origin", page).header.Get("Access-Control-Allow-Origin") == page
	}},

	"http.frame_ancestors": {value: "[" + page + "]", effect: func(k *keyTest) bool {
		return strings.HasSuffix(k.ask(k.T, markd, "GET", "/board", "").header.Get("Content-Security-Policy"), "; frame-ancestors "+page)
	}},

	"auth.secret": {value: otherS, effect: func(k *keyTest) bool {
		return k.accepts(signed(otherS, markd, time.Now())) && !k.accepts(signed(testSecret, markd, time.Now()))
	}},
	"auth.secret_file": {value: "DIR/secret", with: map[string]string{"auth.secret": ""}, effect: func(k *keyTest) bool {
		return k.accepts(signed(otherS, markd, time.Now()))
	}},
	"auth.old_secrets": {value: "[" + otherS + "]", effect: func(k *keyTest) bool { return k.accepts(signed(otherS, markd, time.Now())) }},
	"auth.allow_weak_secret": {value: "true", with: map[string]string{"auth.secret": "GEHEIM"}, effect: func(k *keyTest) bool {
		return k.accepts(signed("GEHEIM", markd, time.Now()))
	}},
	"auth.token_expire": {value: "1h", effect: func(k *keyTest) bool { return k.accepts(signed(testSecret, markd, time.Now().Add(-10*time.Minute))) }},
	"auth.clock_skew":   {value: "1h", effect: func(k *keyTest) bool { return k.accepts(signed(testSecret, markd, time.Now().Add(10*time.Minute))) }},
	"auth.update":       {value: "any", effect: func(k *keyTest) bool { return k.put(markd, "anna@example.test", "manual", `{"status":"busy"}`) == 204 }},
	"auth.services":     {value: "[" + markd + "]", effect: func(k *keyTest) bool { return k.ask(k.T, markd, "GET", "/v1/export", "").status == 200 }},

	"auth.proxy_header": {value: "X-Remote-User", with: map[string]string{"http.trusted_proxies": "[127.0.0.1]"}, effect: func(k *keyTest) bool {
		return strings.Contains(k.ask(k.T, markd, "GET", "/v1/me", "", "Authorization", "", "X-Remote-User", "named@example.test").body, "named@example.test")
	}},

	"auth.keys": {value: `[{name: wall, hash: "` + wallHash + `", users: ["*@zarafa.com"], read: true}]`, effect: func(k *keyTest) bool {
		return k.ask(k.T, markd, "GET", "/v1/users/"+markd, "", "Authorization", "Bearer "+wallKey).status == 200
	}},

	"store.retain": {value: "24h",
		before: func(k *keyTest) {
			old := time.Now().Add(-48 * time.Hour).UTC().Format(time.RFC3339)
			got := k.ask(k.T, clerk, "POST", "/v1/import", fmt.Sprintf(`{"user":"old@example.test","protocol":"spreed","status":"busy","since":%q,"updated":%[1]q,"expires":%[1]q}`, old)+"\n")
			if got.body != `{"imported":1,"kept":0}` {
				k.Errorf("import: %+v", got)
			}
		},
		effect: func(k *keyTest) bool {
			return soon(func() bool {
				return !strings.Contains(k.ask(k.T, clerk, "GET", "/v1/export", "").body, "old@example.test")
			})
		}},
	"store.max_users": {value: "1", with: map[string]string{"lamp.users": "3"}, effect: func(k *keyTest) bool {
		return soon(func() bool { return strings.Contains(k.logged(), "max_users=1 ") })
	}},
	"store.max_devices": {value: "1", effect: func(k *keyTest) bool {
		k.put(markd, markd, "spreed", `{"status":"busy","device":"one"}`)
		k.put(markd, markd, "spreed", `{"status":"away","device":"two"}`)
		return strings.Contains(k.user(markd), `"spreed":{"status":"away"`)
	}},
	"store.max_source_bytes": {value: "1MiB", with: map[string]string{"lamp.users": "3000"}, effect: func(k *keyTest) bool {
		return soon(func() bool { return strings.Contains(k.logged(), "max_source_bytes=1048576") })
	}},

	"protocols": {value: "[lamp]", effect: func(k *keyTest) bool { return k.source("xmpp").IsZero() && !k.source("lamp").IsZero() }},
	"health.stale_after": {value: "1s",
		before: func(k *keyTest) {
			lampImage.Hold(domain.TimestampOf(time.Now().Add(-10 * time.Second))) // as if the journal could not be followed
			k.Cleanup(lampImage.Release)
			if got := k.ask(k.T, markd, "GET", "/readyz", ""); got.status != http.StatusOK {
				k.Errorf("before the change: %+v", got)
			}
		},
		effect: func(k *keyTest) bool {
			return k.ask(k.T, markd, "GET", "/readyz", "").status == http.StatusServiceUnavailable
		}},
	"precedence": {value: "[spreed]",
		before: func(k *keyTest) {
			k.put(clerk, "two@example.test", "manual", `{"status":"busy"}`)
			k.put(clerk, "two@example.test", "spreed", `{"status":"away"}`)
			status, c := k.stream(clerk, "user=two@example.test")
			c.until("event: ready")
			k.held = c
			if got := k.user("two@example.test"); status != 200 || !strings.Contains(got, `"by":"manual"`) {
				k.Errorf("a stream: %d; the user is %s", status, got)
			}
		},
		effect: func(k *keyTest) bool {
			stream := k.held.(*rawConn)
			return strings.Contains(k.user("two@example.test"), `"by":"spreed"`) && stream.until("event: reset") && stream.until(`"by":"spreed"`)
		}},
	"clients": {value: "{phone: {expire: 1s, on_expiry: remove}}",
		before: func(k *keyTest) {
			if status := k.put(markd, markd, "phone", `{"status":"busy"}`); status != 422 {
				k.Errorf("before it is declared: %d", status)
			}
		},
		effect: func(k *keyTest) bool {
			return k.put(markd, markd, "phone", `{"status":"busy"}`) == 204 && strings.Contains(k.user(markd), `"phone":`) &&
				soon(func() bool { return !strings.Contains(k.user(markd), `"phone":`) })
		}},
	"identities": {value: "[{user: named@example.test, names: {lamp: [x]}}]", effect: func(k *keyTest) bool {
		return soon(func() bool { return strings.Contains(k.user("named@example.test"), `"lamp":`) }) && k.source("lamp").Before(k.asked)
	}},
	"identities_file": {value: "DIR/identities.yaml", effect: func(k *keyTest) bool {
		return soon(func() bool { return strings.Contains(k.user("filed@example.test"), `"lamp":`) }) && k.source("lamp").Before(k.asked)
	}},
	"status_entries": {value: "[{label: Lunch, status: away, activity: meal, for: 1h}]", effect: func(k *keyTest) bool {
		return strings.Contains(k.ask(k.T, markd, "GET", "/v1/me", "").body, `"status_entries":[{"label":"Lunch","status":"away","activity":"meal","for":3600}]`)
	}},
	"visibility": {value: "[{viewer: " + clerk + ", user: hidden@example.test, sees: nothing}, {viewer: '*', user: '*', sees: all}]",
		before: func(k *keyTest) {
			k.put(clerk, "hidden@example.test", "manual", `{"status":"busy"}`)
			status, c := k.stream(clerk, "user=hidden@example.test")
			c.until("event: ready")
			k.held = c
			if got := k.user("hidden@example.test"); status != 200 || !strings.Contains(got, `"busy"`) {
				k.Errorf("a stream: %d; the user is %s", status, got)
			}
		},
		effect: func(k *keyTest) bool {
			stream := k.held.(*rawConn)
			return strings.Contains(k.user("hidden@example.test"), `"reason":"unknown"`) && stream.until("event: reset") && stream.until(`"reason":"unknown"`)
		}},
	"auth.see_invisible": {value: "[" + clerk + "]",
		before: func(k *keyTest) {
			k.put(clerk, "invisible@example.test", "manual", `{"status":"busy","invisible":true,"ttl":600}`)
			if got := k.user("invisible@example.test"); strings.Contains(got, "busy") || strings.Contains(got, "invisible\":true") {
				k.Errorf("before the change: %s", got)
			}
		},
		effect: func(k *keyTest) bool { return strings.Contains(k.user("invisible@example.test"), `"invisible":true`) }},
	"manual.enabled": {value: "false", effect: func(k *keyTest) bool { return k.put(markd, markd, "manual", `{"status":"busy"}`) == 422 }},
	"spreed.enabled": {value: "false", effect: func(k *keyTest) bool { return k.put(markd, markd, "spreed", `{"status":"busy"}`) == 422 }},
	"spreed.auto_unavailable": {value: "1s", effect: func(k *keyTest) bool {
		k.put(clerk, "anna@example.test", "spreed", `{"status":"busy"}`)
		return soon(func() bool { return strings.Contains(k.user("anna@example.test"), `"spreed":{"status":"unavailable"`) })
	}},
	"lamp.message": {value: "glowing", effect: func(k *keyTest) bool {
		return soon(func() bool { return strings.Contains(k.user("lamp@example.test"), "glowing") })
	}},
	"lamp.users": {value: "2", effect: func(k *keyTest) bool {
		return soon(func() bool { return strings.Contains(k.user("lamp1@example.test"), `"busy"`) })
	}},

	"log.level": {value: "info", effect: func(k *keyTest) bool {
		return strings.Contains(k.logged(), `the configuration was read anew" changed=[log.level`)
	}},
	"log.format": {value: "json", with: map[string]string{"log.level": "info"}, effect: func(k *keyTest) bool {
		return strings.Contains(k.logged(), `"msg":"the configuration was read anew"`)
	}},
	"log.file": {value: "DIR/presence.log", with: map[string]string{"log.level": "info"}, effect: func(k *keyTest) bool {
		text, _ := os.ReadFile(filepath.Join(k.dir, "presence.log"))
		return strings.Contains(string(text), "the configuration was read anew")
	}},

	"log.access": {value: "DIR/access.log", effect: func(k *keyTest) bool {
		k.user(markd)
		return soon(func() bool {
			text, _ := os.ReadFile(filepath.Join(k.dir, "access.log"))
			return strings.Contains(string(text), "method=GET route=/v1/users/:user status=200")
		})
	}},
	"log.audit": {value: "DIR/audit.log", effect: func(k *keyTest) bool {
		k.put(markd, markd, "spreed", `{"status":"busy"}`)
		return soon(func() bool {
			text, _ := os.ReadFile(filepath.Join(k.dir, "audit.log"))
			return strings.Contains(string(text), `"user":"markd@zarafa.com","protocol":"spreed"`)
		})
	}},

	// The rest takes effect at the next start.
	"http.listen":      {value: "127.0.0.1:1"},
	"http.socket_mode": {value: `"0600"`},
	// This daemon has no TLS, and gets it at the next start only. TestReloadOfTLS is about one that has.
	"http.tls_cert_file": {value: "DIR/cert.pem", with: map[string]string{"http.tls_key_file": "DIR/key.pem"},
		effect: func(k *keyTest) bool { return k.keeps("http.tls_cert_file") && k.keeps("http.tls_key_file") }},
	"http.tls_key_file": {value: "DIR/key.pem", with: map[string]string{"http.tls_cert_file": "DIR/cert.pem"},
		effect: func(k *keyTest) bool { return k.keeps("http.tls_cert_file") && k.keeps("http.tls_key_file") }},
	"http.tls_client_ca_file": {value: "DIR/ca.pem", with: map[string]string{"http.tls_cert_file": "DIR/cert.pem", "http.tls_key_file": "DIR/key.pem"},
		effect: func(k *keyTest) bool { return k.keeps("http.tls_client_ca_file") }},
	"http.admin_listen": {value: "127.0.0.1:2"},
	"store.kind":        {value: "bolt"},
	"store.dir":         {value: "DIR/store"},
	"store.url":         {value: "nats://127.0.0.1:1", with: map[string]string{"store.kind": "nats"}},
	"store.credentials": {value: "DIR/user.creds", with: map[string]string{"store.kind": "nats", "store.url": "tls://127.0.0.1:1"}},
	"store.ca_file":     {value: "DIR/ca.pem", with: map[string]string{"store.kind": "nats", "store.url": "tls://127.0.0.1:1"}},
	"store.bucket":      {value: "other"},
	"store.replicas":    {value: "3", with: map[string]string{"store.kind": "nats", "store.url": "nats://127.0.0.1:1"}},
}

// aCertificate returns one in PEM.
func aCertificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

// ofSources returns the sections of the sources, all of them on, and what changes each key of theirs: the source begins anew, alone. Both are in the
// folders of the adapters.
func ofSources(t *testing.T) (base map[string]string, changes map[string]keyChange) {
	t.Helper()
	sources, _ := wiring.Names(wiring.BuiltIn())
	base, changes = map[string]string{"protocols": "[" + strings.Join(append(sources, "lamp"), ", ") + "]"}, map[string]keyChange{}
	for _, source := range sources {
		folder, environment := folderOf(t, source)
		for _, variable := range strings.Fields(os.Expand(string(environment), func(string) string { return testSecret })) {
			name, value, _ := strings.Cut(strings.TrimPrefix(variable, "PRESENCE_"), "=")
			base[strings.ToLower(strings.Replace(name, "__", ".", 1))] = value
		}
		text, err := os.ReadFile(filepath.Join(folder, "changes.yaml"))
		if err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(string(text)) {
			name, value, found := strings.Cut(strings.TrimSpace(line), ": ")
			if !found || strings.HasPrefix(line, "#") {
				continue
			}
			with := map[string]string{"log.level": "info"}
			if secret, ofFile := strings.CutSuffix(name, "_file"); ofFile && base[source+"."+secret] != "" {
				with[source+"."+secret] = "" // both would be a fault
			}
			changes[source+"."+name] = keyChange{value: value, with: with, effect: func(k *keyTest) bool {
				return soon(func() bool {
					return k.source(source).After(k.asked) && strings.Contains(k.logged(), "the source begins anew: its configuration has changed\" protocol="+source)
				}) && k.source("lamp").Before(k.asked)
			}}
		}
	}
	return base, changes
}

// folderOf returns where the adapter of a source has what tests need, and what it needs to be on. The folder's name is that of the technology, which may
// be another one than the source's.
func folderOf(t *testing.T, source string) (folder string, environment []byte) {
	t.Helper()
	files, err := filepath.Glob("../../adapters/*/testdata/environment")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(text), "PRESENCE_"+strings.ToUpper(source)+"__") {
			return filepath.Dir(file), text
		}
	}
	return filepath.Join("../../adapters", source, "testdata"), nil // the defaults are enough
}

// logged returns what the log got since then.
func (k *keyTest) logged() string { return k.stderr.String()[k.log:] }

// source returns since when a source is in its state, or nothing if there is none.
func (k *keyTest) source(name string) time.Time {
	var document struct {
		Sources []struct {
			Protocol string
			Since    time.Time
		}
	}
	if err := json.Unmarshal([]byte(k.ask(k.T, clerk, "GET", "/v1/sources", "").body), &document); err != nil {
		k.Error(err)
	}
	for _, source := range document.Sources {
		if source.Protocol == name {
			return source.Since
		}
	}
	return time.Time{}
}

// soon waits a moment until something holds that happens in the background.
func soon(holds func() bool) bool {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return true
		}
	}
	return false
}

// TestEveryKey changes each key of a daemon that runs. It is in effect when the service manager is told that the daemon has reloaded, which takes less than
// a second, or, if only a start can change it, named in the log, and its old value stays.
func TestEveryKey(t *testing.T) {
	keys, err := config.Keys(wiring.Sections(withLamp())...)
	if err != nil {
		t.Fatal(err)
	}
	k := &keyTest{T: t, dir: t.TempDir()}
	files := map[string]string{"secret": otherS, "ca.pem": aCertificate(t), "user.creds": "", "identities.yaml": "- {user: filed@example.test, names: {lamp: [y]}}\n"}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(k.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, private := certtest.NewAuthority(t).Issue(t, "presence.example.test")
	certtest.Write(t, k.dir, certificate, private)
	base, changes := ofSources(t)
	maps.Copy(changes, keyChanges)
	maps.Copy(changes, ofProvider(t, k.dir))
	maps.Copy(changes, ofWebhooks(t))
	k.reloading = reloads(t, base)
	k.base["log.level"] = "warn" // once it has started
	_ = k.put(markd, markd, "manual", `{"status":"away","message":"kept"}`)
	var slow []string
	for _, key := range keys {
		t.Run(key.Name, func(t *testing.T) {
			change, there := changes[key.Name]
			if !there || key.Restart != (change.effect == nil) {
				t.Fatal("this test does not know how to see that a change of the key has an effect, or that it needs a restart; for a protocol, write another " +
					"value of the key into testdata/changes.yaml of its folder")
			}
			k.T, k.held = t, nil
			k.change(t)
			if change.before != nil {
				change.before(k)
			}
			with := maps.Clone(change.with)
			if with == nil {
				with = map[string]string{}
			}
			with[key.Name] = change.value
			for name, value := range with {
				with[name] = strings.ReplaceAll(value, "DIR", k.dir)
			}
			k.log, k.asked = len(k.stderr.String()), time.Now()
			if status := k.change(t, with); strings.Contains(status, "failed") {
				t.Fatal(status)
			}
			if time.Since(k.asked) > time.Second {
				slow = append(slow, key.Name)
			}
			if !key.Restart {
				if !change.effect(k) {
					t.Errorf("%s has no effect; the log is\n%s", with[key.Name], k.logged())
				}
				return
			}
			if !k.keeps(key.Name) {
				t.Errorf("the log does not name it:\n%s", k.logged())
			}
			if body := k.user(markd); !strings.Contains(body, `"message":"kept"`) {
				t.Errorf("the old value does not hold: %s", body)
			}
		})
	}
	for name := range changes {
		if !slices.ContainsFunc(keys, func(key config.Key) bool { return key.Name == name }) {
			t.Errorf("there is no key %s", name)
		}
	}
	if len(slow) > len(keys)/10 { // the machine may be busy once
		t.Errorf("it took more than a second to change %v", slow)
	}
}
