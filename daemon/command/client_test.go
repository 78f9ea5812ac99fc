package command

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/zarafa/presence/internal/freeport"
)

func TestGetAndSet(t *testing.T) {
	d := serve(t, secretEnv, "--http.listen=127.0.0.1:0", "--auth.services=helpdesk@zarafa.com")
	ask := append([]string{"PRESENCE_URL=" + d.url}, secretEnv...)
	other := []string{"PRESENCE_URL=" + d.url, "PRESENCE_AUTH__SECRET=anothersecretofthesame"}
	mine := token(t, secretEnv, markd)
	tests := []struct {
		name    string
		environ []string
		args    []string
		want    result // stdout and stderr: what they must contain; empty stdout: nothing
	}{
		{"unknown", ask, []string{"get", markd}, result{0, "USER              STATUS       BY  MESSAGE\nmarkd@zarafa.com  unavailable  -   -\n", ""}},
		{"set by hand", ask, []string{"set", markd, "away"}, result{0, "markd@zarafa.com is away, decided by manual, until `zarafa-presence clear markd@zarafa.com`\n", ""}},
		{"what does not count", ask, []string{"set", "--protocol", "spreed", markd, "available"}, result{0,
			"markd@zarafa.com is away, decided by manual, until `zarafa-presence clear markd@zarafa.com`; spreed says available, which does not count now\n", ""}},
		{"clear by hand", ask, []string{"clear", markd}, result{0, "taken away from manual; markd@zarafa.com is available, decided by spreed, until 20", ""}},
		{"clear spreed", ask, []string{"clear", "--protocol", "spreed", markd}, result{0,
			"taken away from spreed; markd@zarafa.com is unavailable, because no protocol knows this user\n", ""}},
		{"set", ask, []string{"set", "--protocol", "spreed", markd, "busy", "in a\tmeeting\x1b[31m"}, result{0, "markd@zarafa.com is busy, decided by spreed, until 20", ""}},
		{"table", ask, []string{"get", markd, "Linda@example.test"}, result{0,
			"USER                STATUS       BY      SPREED  MESSAGE\n" +
				"markd@zarafa.com    busy         spreed  busy    in a meeting [31m\n" +
				"Linda@example.test  unavailable  -       -       -\n", ""}},
		{"token by environment", []string{"PRESENCE_URL=" + d.url, "PRESENCE_TOKEN=" + mine}, []string{"get", markd}, result{0, "busy", ""}},
		{"token by flag", []string{"PRESENCE_TOKEN=wrong"}, []string{"get", "--url", d.url, "--token", mine, markd}, result{0, "busy", ""}},
		{"set for another as a service", ask, []string{"set", "--as", "helpdesk@zarafa.com", "--protocol", "spreed", markd, "away"}, result{0, "markd@zarafa.com is away, decided by spreed, until 20", ""}},
		{"set for another", ask, []string{"set", "--as", "linda@zarafa.com", markd, "away"}, result{3, "", "refused (403): Forbidden: nothing was done, because not all of it is allowed\nzarafa-presence:   not allowed: linda@zarafa.com may not update markd@zarafa.com"}},
		{"another secret", other, []string{"get", markd}, result{3, "", "refused (401): Unauthorized: not authenticated: the token is forged, or made with another secret"}},
		{"set for a time", ask, []string{"set", "--for", "1h", markd, "Busy", "until three"}, result{0, "markd@zarafa.com is busy, decided by manual, until 20", ""}},
		{"what is set by hand wins", ask, []string{"get", markd}, result{0, "markd@zarafa.com  busy    manual  busy    away    until three\n", ""}},
		{"set with an activity", ask, []string{"set", "--activity", "Meeting", markd, "busy", "until three"}, result{0, "markd@zarafa.com is busy, decided by manual, until `", ""}},
		{"an activity is told", ask, []string{"get", markd}, result{0, "meeting: until three\n", ""}},
		{"why", ask, []string{"why", markd}, result{0, "So the user is busy, because manual stands first of what matches in the configured precedence.\n", ""}},
		{"set invisible", ask, []string{"set", "--invisible", "--for", "1h", markd, "busy"}, result{0, "; invisible to others\n", ""}},
		{"others are shown the user as unavailable", ask, []string{"get", "--as", "linda@zarafa.com", markd}, result{0, "markd@zarafa.com  unavailable  ", ""}},
		{"why, of somebody invisible", ask, []string{"why", markd}, result{0, "The user is invisible: others are shown", ""}},
		{"invisible for ever", ask, []string{"set", "--invisible", markd, "busy"}, result{2, "", "--invisible needs an end: --for 1h, or --until 15:00"}},
		{"invisible by a protocol", ask, []string{"set", "--invisible", "--for", "1m", "--protocol", "spreed", markd, "busy"}, result{2, "", "cannot make invisible by spreed"}},
		{"an unknown activity", ask, []string{"set", "--activity", "gossip", markd, "busy"}, result{2, "", "unknown activity \"gossip\": must be a word of RFC 4480"}},
		{"clear", ask, []string{"clear", markd}, result{0, "taken away from manual; markd@zarafa.com is away, decided by spreed, until 20", ""}},
		{"clear again", ask, []string{"clear", markd}, result{0, "nothing was set on manual; markd@zarafa.com is away, decided by spreed, until 20", ""}},
		{"clear for another", ask, []string{"clear", "--as", "linda@zarafa.com", markd}, result{3, "", "linda@zarafa.com may not update markd@zarafa.com"}},
		{"set until a time that has passed", ask, []string{"set", "--until", "2026-01-01T00:00:00Z", markd, "busy"}, result{2, "", "invalid end 2026-01-01T00:00:00.000Z: it has passed"}},
		{"longer than the protocol's time", ask, []string{"set", "--for", "1h", "--protocol", "spreed", markd, "busy"}, result{2, "", "a presence on spreed holds for 2m0s at most"}},
		{"everybody, for one who is no service", ask, []string{"watch", "--as", markd}, result{3, "", "refused (403): Forbidden: not allowed: markd@zarafa.com is no service"}},
		{"no such protocol", ask, []string{"set", "--protocol", "irc", markd, "away"}, result{2, "", "unknown protocol \"irc\": on are manual, spreed; the daemon's configuration decides"}},
		{"no such path", append([]string{"PRESENCE_URL=" + d.url + "x"}, secretEnv...), []string{"get", markd}, result{1, "", "refused (404): Not Found"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := command(test.environ, test.args...)
			if got.code != test.want.code {
				t.Errorf("exit code %d, want %d: %s", got.code, test.want.code, got.stderr)
			}
			if !strings.Contains(got.stdout, test.want.stdout) || (got.stdout == "") != (test.want.stdout == "") {
				t.Errorf("stdout\n%q\nwant\n%q", got.stdout, test.want.stdout)
			}
			if !strings.Contains(got.stderr, test.want.stderr) {
				t.Errorf("stderr %q, want %q", got.stderr, test.want.stderr)
			}
			if strings.Contains(got.stderr, mine) || strings.Contains(got.stderr, testSecret) {
				t.Errorf("stderr shows a secret: %q", got.stderr)
			}
		})
	}
	got := command(ask, "get", "--json", markd, "linda@example.test")
	var people []person
	if err := json.Unmarshal([]byte(got.stdout), &people); err != nil {
		t.Fatalf("%v: %s", err, got.stdout)
	}
	if people[0].Since == nil || people[0].Protocols["spreed"].Expires == nil {
		t.Errorf("get --json lacks a moment: %s", got.stdout)
	}
	people[0].Since, people[0].Protocols["spreed"] = nil, state{Status: people[0].Protocols["spreed"].Status}
	want := []person{
		{User: markd, Status: "away", By: "spreed", Protocols: map[string]state{"spreed": {Status: "away"}}},
		{User: "linda@example.test", Status: "unavailable", Protocols: map[string]state{}},
	}
	if !reflect.DeepEqual(people, want) {
		t.Errorf("get --json: %+v, want %+v", people, want)
	}
}

// A port with TLS that is asked without, and the reverse, are told apart from a daemon that is not there.
func TestOtherScheme(t *testing.T) {
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request got through") })
	encrypted := httptest.NewUnstartedServer(handler)
	encrypted.Config.ErrorLog = log.New(io.Discard, "", 0)
	encrypted.StartTLS()
	defer encrypted.Close()
	plain := httptest.NewServer(handler)
	defer plain.Close()
	alerting, err := net.Listen("tcp", "127.0.0.1:0") // a server that answers with an alert of TLS
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := alerting.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte{21, 3, 1, 0, 2, 2, 70})
	}()
	defer func() { _ = alerting.Close(); <-done }()
	for asked, want := range map[string]string{
		strings.Replace(encrypted.URL, "https:", "http:", 1): " speaks TLS: write " + encrypted.URL,
		"http://" + alerting.Addr().String():                 " speaks TLS: write https://" + alerting.Addr().String(),
		strings.Replace(plain.URL, "http:", "https:", 1):     " speaks no TLS: write " + plain.URL,
	} {
		if got := command(secretEnv, "get", "--url", asked, markd); got.code != 2 || got.stderr != "zarafa-presence: "+asked+want+"\n" {
			t.Errorf("%s: exit code %d, stderr %q; want 2 and %q", asked, got.code, got.stderr, want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	address := freeport.Address(t)
	got := command(secretEnv, "get", "--http.listen", address, markd)
	want := "zarafa-presence: cannot reach the daemon at http://" + address + "/: connection refused; is it running?\n"
	if got.code != 4 || got.stderr != want {
		t.Errorf("exit code %d, stderr %q; want 4 and %q", got.code, got.stderr, want)
	}
}

// What is not this daemon is told so, and gets the token at most once.
func TestStrangeAnswers(t *testing.T) {
	tests := []struct {
		name   string
		answer http.HandlerFunc
		code   int
		want   string
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, 1, "does not answer like this daemon: invalid character"},
		{"another document", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }, 1, "it has no users"},
		{"no user", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"users":[{}]}`)) }, 1, "invalid user"},
		{"a strange protocol", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"users":[{"user":"a@b","status":"busy","protocols":{"x":1}}]}`))
		}, 1, "protocols"},
		{"a strange status", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"users":[{"user":"a@b","status":"busy","protocols":{"x":{"status":"on"}}}]}`))
		}, 1, `x of a@b: unknown status "on"`},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, 1, "refused (302): Found"},
		{"a fault", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, 1, "refused (500): Internal Server Error"},
		{"an end", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 4, "cannot reach the daemon at http://127.0.0.1:"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			requests := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests++; test.answer(w, r) }))
			got := command(secretEnv, "get", "--url", server.URL, markd)
			server.Close()
			if got.code != test.code || !strings.Contains(got.stderr, test.want) || got.stdout != "" {
				t.Errorf("%+v; want code %d and %q", got, test.code, test.want)
			}
			if requests != 1 {
				t.Errorf("%d requests", requests)
			}
		})
	}
}

// A stranger's words move nothing on the terminal, and do not fill it.
func TestRefusalsAreShownSafely(t *testing.T) {
	const evil = "\x1b]0;owned\x07\u009b2J\r\nzarafa-presence: fine\u202e\u2028\x00\ufeff\U000e0001\U000e0041"
	const tame = " ]0;owned  2J  zarafa-presence: fine      "
	long := strings.Repeat("ü", maxExcerpt+1)
	cut := strings.Repeat("ü", maxExcerpt) + "..."
	entries := func(n int) []map[string]string {
		many := make([]map[string]string, n)
		for i := range many {
			many[i] = map[string]string{"detail": "entry"}
		}
		return many
	}
	tests := []struct {
		name   string
		status int
		answer map[string]any
		want   string // after the address and the status
	}{
		{"title and detail", 403, map[string]any{"title": evil, "detail": evil}, tame + ": " + tame},
		{"entries", 422, map[string]any{"title": "T", "errors": []map[string]string{{"detail": evil}, {"detail": long}}}, "T\nzarafa-presence:   " + tame + "\nzarafa-presence:   " + cut},
		{"long", 400, map[string]any{"title": long, "detail": long}, cut + ": " + cut},
		{"many entries", 422, map[string]any{"title": "T", "errors": entries(maxRefusals + 7)}, "T" + strings.Repeat("\nzarafa-presence:   entry", maxRefusals) + "\nzarafa-presence:   and 7 more"},
		{"no refusal, but a strange user", 200, map[string]any{"users": []any{map[string]any{"user": evil, "status": "on"}}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_ = json.NewEncoder(w).Encode(test.answer)
			}))
			defer server.Close()
			got := command(secretEnv, "get", "--url", server.URL, markd)
			if strings.ContainsFunc(strings.ReplaceAll(got.stderr, "\n", ""), func(r rune) bool { return unicode.IsControl(r) || r == '\u202e' || r == '\u2028' }) {
				t.Errorf("stderr %q can do something to a terminal", got.stderr)
			}
			if want := "refused (" + strconv.Itoa(test.status) + "): " + test.want + "\n"; test.want != "" && !strings.HasSuffix(got.stderr, want) {
				t.Errorf("stderr %q, want %q", got.stderr, want)
			}
			if got.stdout != "" || got.code == 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// What is printed as JSON says the same, and moves nothing on the terminal either.
func TestJSONIsShownSafely(t *testing.T) {
	want := []person{{User: "a@b.c", Status: "busy", Message: "\x1b[2J\u009b2J\x7f\u202e\ufeff\U000e0041<&>ü👩\u200d💻\n", By: "spreed", Protocols: map[string]state{}}}
	document, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := writeJSON(&out, document); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, `"\u001b[2J\u009b2J\u007f\u202e\ufeff\udb40\udc41\u003c\u0026\u003eü👩`+"\u200d"+`💻\n"`) {
		t.Errorf("printed %q", text)
	}
	var got []person
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read again: %+v, %v", got, err)
	}
}

// Several protocols: a column each.
func TestTable(t *testing.T) {
	people, _, err := readAnswer([]byte(`{"revision":7,"users":[
		{"user":"a@b.c","status":"available","message":"hi","activity":null,"by":"spreed","protocols":{"xmpp":{"status":"away","message":"lunch"},"spreed":{"status":"available","message":"hi"}}},
		{"user":"d@e.f","status":"busy","message":"","activity":null,"by":"irc","protocols":{"irc":{"status":"busy","message":""}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := writeTable(&out, people); err != nil {
		t.Fatal(err)
	}
	want := "USER   STATUS     BY      IRC   SPREED     XMPP  MESSAGE\n" +
		"a@b.c  available  spreed  -     available  away  hi\n" +
		"d@e.f  busy       irc     busy  -          -     -\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
