package http_test

import (
	"fmt"
	"io"
	nethttp "net/http"
	"slices"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/setting"
)

// startWithKeys starts a server that knows two keys: one sets spreed of everybody at example.test, the other asks about them.
func startWithKeys(t *testing.T) (r *running, sets, reads string) {
	t.Helper()
	cfg := auth.DefaultConfig()
	sets, setsHash := auth.NewKey()
	reads, readsHash := auth.NewKey()
	cfg.Secret, cfg.Update = setting.NewSecret(secret), auth.UpdateAny
	cfg.Keys = []auth.Key{
		{Name: "sets", Hash: setsHash, Protocols: []string{"spreed"}, Users: []string{"*@example.test"}},
		{Name: "reads", Hash: readsHash, Users: []string{"*@example.test"}, Read: true},
	}
	tokens, err := auth.New(cfg, clock.New())
	if err != nil {
		t.Fatal(err)
	}
	limits := localConfig()
	limits.RatePerUser = 1 // which is not for keys
	r = &running{core: coretest.Start(t), tokens: tokens, log: new(logged)}
	r.Server = startServer(t, limits, r.core, tokens, r.log)
	return r, sets, reads
}

// A key may do what it lists, and nothing else, whichever way it asks.
func TestKeys(t *testing.T) {
	r, sets, reads := startWithKeys(t)
	r.knows(t, alice, xmpp, domain.Away, "out")
	const setting = `{"status":"busy"}`
	original := func(entries string) string {
		return `{"AuthenticationToken":"KEY","Type":"UserStatus","UserStatus":[` + entries + `]}`
	}
	asks := func(user string, times int) string {
		return original(strings.TrimSuffix(strings.Repeat(`{"user_id":"`+user+`"},`, times), ","))
	}
	says := func(user, protocol string) string {
		return original(fmt.Sprintf(`{"user_id":%q,%q:{"status":"away","message":"out"}}`, user, protocol))
	}
	for _, test := range []struct {
		method, path, body string
		sets, reads        int // the statuses
	}{
		{"PUT", "/v1/users/alice@example.test/spreed", setting, 204, 403},
		{"POST", "/v1/users/alice@example.test/spreed", setting, 204, 403},
		{"DELETE", "/v1/users/alice@example.test/spreed", "", 204, 403},
		{"PUT", "/v1/users/alice@example.test/board", setting, 403, 403},
		{"PUT", "/v1/users/alice@example.test/xmpp", `{"status":"away","message":"out"}`, 403, 403}, // it would learn that this is so
		{"PUT", "/v1/users/markd@zarafa.com/spreed", setting, 403, 403},
		{"DELETE", "/v1/users/markd@zarafa.com/spreed", "", 403, 403},
		{"GET", "/v1/users/alice@example.test", "", 403, 200},
		{"GET", "/v1/users/alice@example.test?explain=1", "", 403, 200},
		{"GET", "/v1/users/markd@zarafa.com", "", 403, 403},
		{"GET", "/v1/users?user=alice@example.test", "", 403, 200},
		{"GET", "/v1/users?user=alice@example.test&user=markd@zarafa.com", "", 403, 403},
		{"POST", "/v1/users:query", `{"users":["alice@example.test"]}`, 403, 200},
		{"POST", "/v1/users:query", `{"users":["alice@example.test","MARKD@zarafa.com"]}`, 403, 403},
		{"GET", "/v1/sources", "", 403, 200},
		{"GET", "/v1/identities/unmapped", "", 403, 403},
		{"GET", "/v1/events", "", 403, 403},
		{"GET", "/v1/events?user=markd@zarafa.com", "", 403, 403},
		{"POST", "/v1/events", `{"users":["markd@zarafa.com"]}`, 403, 403},
		{"POST", "/v1/token", "", 401, 401},
		{"GET", "/v1/export", "", 403, 403},
		{"POST", "/v1/import", "", 403, 403},
		{"GET", "/", asks("alice@example.test", 1), 403, 200},
		{"GET", "/", asks("markd@zarafa.com", 1), 403, 403},
		{"GET", "/", asks("markd@zarafa.com", 100), 403, 403}, // so long that its answer is kept
		{"PUT", "/", says("alice@example.test", "spreed"), 200, 403},
		{"PUT", "/", says("alice@example.test", "xmpp"), 403, 403},
		{"PUT", "/", says("markd@zarafa.com", "spreed"), 403, 403},
		{"POST", "/", says("alice@example.test", "spreed"), 403, 403}, // it sets and asks
		{"POST", "/", asks("alice@example.test", 1), 403, 200},
	} {
		if test.path == "/" && strings.Count(test.body, "user_id") > 1 { // so that there is a kept answer
			for range 3 {
				_ = r.do(t, "GET", strings.Replace(test.body, "KEY", r.tokens.Issue(mark), 1))
			}
		}
		for key, want := range map[string]int{sets: test.sets, reads: test.reads} {
			body := strings.Replace(test.body, "KEY", key, 1)
			got := send(t, r.Server, test.method, test.path, body, "Authorization: Bearer "+key)
			if test.path == "/" {
				got = r.do(t, test.method, body)
			}
			if got.status != want {
				t.Errorf("%s %s %.80s, the key that may read: %v: %d, want %d: %s", test.method, test.path, test.body, key == reads, got.status, want, got.body)
			}
		}
	}
	if got := send(t, r.Server, "PUT", "/v1/users/alice@example.test/board", setting, "Authorization: Bearer "+sets); !strings.Contains(got.body, "key:sets may not set board") {
		t.Errorf("the refusal is %s", got.body)
	}
	if got := r.log.String(); strings.Contains(got, sets) || strings.Contains(got, reads) {
		t.Error("the log has a key")
	}
}

// A key that may read may have a stream about its users, which ends as soon as the key is revoked, or does not list them any more.
func TestStreamOfKey(t *testing.T) {
	r, _, reads := startWithKeys(t)
	request, err := nethttp.NewRequestWithContext(t.Context(), "GET", "http://"+r.Addr().String()+"/v1/events?user=alice@example.test", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+reads)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	cfg := auth.DefaultConfig()
	cfg.Secret = setting.NewSecret(secret)
	if err := r.tokens.(*auth.Tokens).Configure(cfg); err != nil {
		t.Fatal(err)
	}
	r.Configure(localConfig())
	text, err := io.ReadAll(response.Body)
	if response.StatusCode != nethttp.StatusOK || err != nil || !slices.Contains(strings.Split(string(text), "\n"), `data: {"reason":"expired"}`) {
		t.Errorf("%d %v %s", response.StatusCode, err, text)
	}
}
