package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/xmpptest"
)

// site is a daemon that watches a real XMPP server, with everything read back over HTTP.
type site struct {
	*daemon
	t      *testing.T
	server *xmpptest.Server
}

// newSite starts the server, and the daemon from a configuration file.
func newSite(t *testing.T, kind xmpptest.Kind) *site {
	t.Helper()
	server := xmpptest.Start(t, kind, xmpptest.Options{})
	file := write(t, "zarafa-presence.yaml", fmt.Sprintf(`
http: {listen: 127.0.0.1:0}
auth:
  secret: %s
  services: [intranet@example.test]
protocols: [spreed, xmpp]
xmpp:
  jid: %s
  password_file: %s
  host: %s
  ca_file: %s
  sweep_after: 2s
`, testSecret, server.JID(xmpptest.Observer), write(t, "password", server.Password(xmpptest.Observer)+"\n"), server.Addr, server.CAFile))
	return &site{daemon: serve(t, nil, "--config", file, "--store.kind=bolt", "--store.dir", filepath.Join(t.TempDir(), "store")), t: t, server: server}
}

// ask asks about all users at once and renders the answers.
func (s *site) ask() map[string]string {
	s.t.Helper()
	names := []string{"alice", "bob", "carol", "dave", "nobody"}
	entries := make([]string, len(names))
	for i, name := range names {
		entries[i] = fmt.Sprintf(`{"user_id":%q}`, s.server.JID(name))
	}
	status, body := request(s.t, "GET", s.url, token(s.t, secretEnv, "alice@example.test"), strings.Join(entries, ","))
	var answer struct {
		UserStatus []map[string]any
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || len(answer.UserStatus) != len(names) {
		s.t.Fatalf("GET: %d %s (%v)", status, body, err)
	}
	shown := map[string]string{}
	for i, name := range names {
		shown[name] = renderEntry(answer.UserStatus[i])
	}
	return shown
}

// unified asks API v1 about a user, and how the sources are doing.
func (s *site) unified(user string) (status, by, source string) {
	s.t.Helper()
	get := func(path string, into any) {
		s.t.Helper()
		request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token(s.t, secretEnv, "alice@example.test"))
		answer, err := (&http.Client{Transport: documented()}).Do(request)
		if err != nil {
			s.t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode != http.StatusOK {
			s.t.Fatalf("GET %s: %d, %v", path, answer.StatusCode, err)
		}
	}
	var found struct{ Status, By string }
	get("v1/users/"+s.server.JID(user), &found)
	var doing struct{ Sources []struct{ State string } }
	get("v1/sources", &doing)
	if len(doing.Sources) != 1 {
		s.t.Fatalf("there are the sources %+v", doing.Sources)
	}
	return found.Status, found.By, doing.Sources[0].State
}

func renderEntry(entry map[string]any) string {
	var parts []string
	for protocol, value := range entry {
		if presence, ok := value.(map[string]any); ok {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s=%s %s", protocol, presence["status"], presence["message"])))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// becomes waits until the answers are as wanted. Meanwhile steady must hold for every answer.
func (s *site) becomes(want map[string]string, steady func(map[string]string) bool) {
	s.t.Helper()
	var last map[string]string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		last = s.ask()
		if steady != nil && !steady(last) {
			s.t.Fatalf("meanwhile the answer was %v\n%s", last, s.stderr.String())
		}
		if fmt.Sprint(last) == fmt.Sprint(want) {
			return
		}
	}
	s.t.Fatalf("the answer is\n%v, want\n%v\n%s", last, want, s.stderr.String())
}

func (s *site) put(as, user, status, message string) {
	s.t.Helper()
	entry := fmt.Sprintf(`{"user_id":%q,"spreed":{"status":%q,"message":%q}}`, s.server.JID(user), status, message)
	if status, body := request(s.t, "PUT", s.url, token(s.t, secretEnv, as), entry); status != 200 || body != "" {
		s.t.Fatalf("PUT: %d %s", status, body)
	}
}

// TestEndToEnd is the whole daemon with each real server: people with two devices each, web meetings, an outage, the end.
func TestEndToEnd(t *testing.T) {
	for _, kind := range xmpptest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			s := newSite(t, kind)
			s.becomes(map[string]string{
				"alice": "xmpp=unavailable", "bob": "xmpp=unavailable", "carol": "xmpp=unavailable", "dave": "xmpp=unavailable", "nobody": "",
			}, nil)
			s.devices()
			s.outage(s.server.Kill)
			s.outage(func() { s.server.Stop(t) })
			s.server.Freeze() // it must not hold up the end
			code := s.terminate(syscall.SIGTERM)
			s.server.Thaw()
			if code != 0 {
				t.Errorf("exit code %d:\n%s", code, s.stderr.String())
			}
			if log := s.stderr.String(); strings.Contains(log, s.server.Password(xmpptest.Observer)) || strings.Contains(log, testSecret) {
				t.Errorf("the log shows a secret:\n%s", log)
			}
		})
	}
}

// devices has people come, change and go.
func (s *site) devices() {
	s.t.Helper()
	laptop, phone := s.server.Login(s.t, "alice", "laptop"), s.server.Login(s.t, "alice", "phone")
	desk, tablet := s.server.Login(s.t, "bob", "desk"), s.server.Login(s.t, "bob", "tablet")
	phone.Show("dnd", "am Telefon ☎")
	desk.Show("xa", "lunch") // the same as the tablet: which of them the server hears last is open
	tablet.Show("away", "lunch")
	s.put("alice@example.test", "alice", "available", "feeling chatty..")
	s.put("intranet@example.test", "carol", "busy", "presenting")
	s.becomes(map[string]string{
		"alice": "spreed=available feeling chatty.., xmpp=busy am Telefon ☎",
		"bob":   "xmpp=away lunch",
		"carol": "spreed=busy presenting, xmpp=unavailable",
		"dave":  "xmpp=unavailable", "nobody": "",
	}, nil)
	if status, by, source := s.unified("alice"); status != "busy" || by != "xmpp" || source != "connected" && source != "synced" {
		s.t.Errorf("API v1 says that alice is %s on %s, and that the source is %s", status, by, source)
	}
	laptop.Leave("closing the lid") // on the phone is on the phone
	tablet.Cut()
	s.becomes(map[string]string{
		"alice": "spreed=available feeling chatty.., xmpp=busy am Telefon ☎",
		"bob":   "xmpp=away lunch",
		"carol": "spreed=busy presenting, xmpp=unavailable",
		"dave":  "xmpp=unavailable", "nobody": "",
	}, func(shown map[string]string) bool {
		return strings.Contains(shown["alice"], "xmpp=busy am Telefon ☎")
	})
	desk.Leave("")
	phone.Leave("")
	s.becomes(map[string]string{
		"alice": "spreed=available feeling chatty.., xmpp=unavailable",
		"bob":   "xmpp=unavailable",
		"carol": "spreed=busy presenting, xmpp=unavailable",
		"dave":  "xmpp=unavailable", "nobody": "",
	}, nil)
}

// outage ends the server under everybody, and brings it back with some of them.
func (s *site) outage(end func()) {
	s.t.Helper()
	for _, device := range []string{"laptop", "phone"} {
		s.server.Login(s.t, "alice", device).Show("dnd", "deep in thought")
		s.server.Login(s.t, "bob", device)
	}
	before := map[string]string{
		"alice": "spreed=available feeling chatty.., xmpp=busy deep in thought",
		"bob":   "xmpp=available",
		"carol": "spreed=busy presenting, xmpp=unavailable",
		"dave":  "xmpp=unavailable", "nobody": "",
	}
	s.becomes(before, nil)
	lost := s.losses()
	end()
	eventually(s.t, "the log says that the link is lost", func() bool { return s.losses() > lost })
	if during := s.ask(); fmt.Sprint(during) != fmt.Sprint(before) {
		s.t.Fatalf("during the outage the answer is %v, want %v\n%s", during, before, s.stderr.String())
	}
	s.server.Restart(s.t)
	for _, device := range []string{"laptop", "phone"} { // bob has gone home
		s.server.Login(s.t, "alice", device).Show("dnd", "deep in thought")
	}
	dave := s.server.Login(s.t, "dave", "desk")
	dave.Show("chat", "new here")
	after := map[string]string{
		"alice": before["alice"],
		"bob":   "xmpp=unavailable",
		"carol": before["carol"],
		"dave":  "xmpp=available new here", "nobody": "",
	}
	// Her devices log in as available and then say more, so alice may be without that for a moment, but is never gone.
	s.becomes(after, func(shown map[string]string) bool { return !strings.Contains(shown["alice"], "xmpp=unavailable") })
	dave.Show("away", "") // nobody is stuck
	after["dave"] = "xmpp=away"
	s.becomes(after, nil)
	dave.Leave("")
	after["dave"] = "xmpp=unavailable"
	s.becomes(after, nil)
}

// losses returns how often the link was lost.
func (s *site) losses() int { return strings.Count(s.stderr.String(), "source lost") }
