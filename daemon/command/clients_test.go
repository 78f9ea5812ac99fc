package command

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/internal/xmpptest"
)

// declares is a daemon with the protocols that docs/clients.md declares.
func declares(t *testing.T, page, keyLine string) *reloading {
	t.Helper()
	_, text, _ := strings.Cut(page, "```yaml\nclients:\n")
	text, _, _ = strings.Cut(text, "```")
	var clients yaml.Node
	if err := yaml.Unmarshal([]byte(text), &clients); err != nil {
		t.Fatal(err)
	}
	clients.Content[0].Style = yaml.FlowStyle
	flow, err := yaml.Marshal(&clients)
	if err != nil {
		t.Fatal(err)
	}
	return reloads(t, map[string]string{"clients": strings.ReplaceAll(strings.TrimSpace(string(flow)), "\n", " "), "auth.keys": "[" + keyLine + "]"})
}

// runnable finds the examples of docs/clients.md that are marked to be run.
var runnable = regexp.MustCompile("(?s)<!-- run -->\n```([a-z]+)\n(.*?)```\n")

// The examples of docs/clients.md do what the page says.
func TestClientsPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	_, made, _ := strings.Cut(string(text), "$ zarafa-presence key ")
	made, _, _ = strings.Cut(made, "\n")
	m := printed.FindStringSubmatch(command(nil, append([]string{"key"}, strings.Fields(strings.ReplaceAll(made, "'", ""))...)...).stdout)
	if m == nil {
		t.Fatalf("no key is made by: %s", made)
	}
	key, r := m[1], declares(t, string(text), m[2])
	user := func() string { return r.ask(t, clerk, "GET", "/v1/users/alice@example.test", "").body }
	blocks := runnable.FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 4 {
		t.Fatalf("the page has %d examples", len(blocks))
	}
	shell := func(lines string) {
		t.Helper()
		run := exec.CommandContext(t.Context(), "/bin/sh", "-ec", lines)
		run.Env = append(os.Environ(), "KEY="+key, "URL="+strings.TrimSuffix(r.url, "/"))
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\n%s", err, lines, out)
		}
	}
	call, hangup, found := strings.Cut(blocks[0][2], "curl -f -X DELETE")
	if shell(call); !found || !strings.Contains(user(), `"phone":{"status":"busy","message":"until later","activity":"on-the-phone"`) {
		t.Errorf("in a call: %s", user())
	}
	if shell("curl -f -X DELETE" + hangup); strings.Contains(user(), `"phone":`) {
		t.Errorf("after the call: %s", user())
	}
	if shell(blocks[1][2]); !strings.Contains(user(), `"meeting":{"status":"busy","message":"","activity":"meeting"`) {
		t.Errorf("in a meeting: %s", user())
	}
	jitsi(t, blocks[2][2], r, key)
	homeAssistant(t, blocks[3][2], r.url, key)
	if !strings.Contains(user(), `"door":{"status":"available","message":"in the office"`) {
		t.Errorf("at the door: %s", user())
	}
}

// jitsi has bob enter two rooms of a real Prosody with the module, and leave them one after the other.
func jitsi(t *testing.T, module string, r *reloading, key string) {
	t.Helper()
	prosody := xmpptest.Start(t, xmpptest.Prosody, xmpptest.Options{
		Users: []string{"bob"}, Modules: map[string]string{"presence_meeting": module},
		More: fmt.Sprintf("Component \"conference.example.test\" \"muc\"\n  modules_enabled={\"presence_meeting\"}\n  presence_url=%q; presence_key=%q\n", strings.TrimSuffix(r.url, "/"), key),
	})
	bob := prosody.Login(t, "bob", "browser")
	const presence = `<presence to='%s@conference.example.test/bob'%s><x xmlns='http://jabber.org/protocol/muc'/></presence>`
	for _, step := range []struct{ room, kind, want string }{
		{"plans", "", `"meeting":{"status":"busy","message":"","activity":"meeting"`},
		{"coffee", "", `"meeting":{"status":"busy","message":"","activity":"meeting"`},
		{"plans", " type='unavailable'", `"meeting":{"status":"busy","message":"","activity":"meeting"`},
		{"coffee", " type='unavailable'", `"meeting":{"status":"unavailable"`},
	} {
		bob.Send(fmt.Sprintf(presence, step.room, step.kind))
		var got string
		if !soon(func() bool {
			got = r.ask(t, clerk, "GET", "/v1/users/bob@example.test", "").body
			return strings.Contains(got, step.want)
		}) {
			t.Errorf("%s%s: %s\n%s", step.room, step.kind, got, prosody.Log())
		}
	}
}

// homeAssistant sends the request that Home Assistant makes of a rest_command.
func homeAssistant(t *testing.T, configuration, url, key string) {
	t.Helper()
	var read struct {
		Commands map[string]struct {
			URL, Method, Payload string
			Headers              map[string]string
			ContentType          string `yaml:"content_type"`
		} `yaml:"rest_command"`
	}
	if err := yaml.Unmarshal([]byte(configuration), &read); err != nil {
		t.Fatal(err)
	}
	command := read.Commands["presence"]
	filled := strings.NewReplacer("{{ user }}", "alice@example.test", "{{ status }}", "available", "{{ message }}", "in the office",
		"http://presence.example.test:1234/", url)
	request, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(command.Method), filled.Replace(command.URL), strings.NewReader(filled.Replace(command.Payload)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", command.ContentType)
	for name, value := range command.Headers {
		if value != "presence_authorization" {
			t.Errorf("%s: %s", name, value)
		}
		request.Header.Set(name, "Bearer "+key)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		t.Errorf("Home Assistant is answered with %d", answer.StatusCode)
	}
}

// What cannot be a declaration is refused: each fault with its line and key.
func TestFaultyClients(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	content := `auth: {secret: ` + testSecret + `}
protocols: [phone]
precedence: [phone:busy, phoen]
clients:
  phone: {expire: 2h, on_expiry: remove}
  manual: {expire: 2h}
  xmpp: {expire: 2h}
  Door: {expire: 2h}
  one: {on_expiry: remove}
  two: {expire: 10ms}
  three: {expire: -1h, on_expiry: away}
`
	check := func(content string) result {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return command(nil, "check", "--config", file)
	}
	got := check(content)
	for _, want := range []string{
		`protocols: unknown protocol "phone" (clients declares phone, which turns it on; protocols lists sources)`,
		`precedence: unknown protocol "phoen"; did you mean phone?`,
		`clients.manual: manual is a protocol of the daemon's own: choose another name`,
		`clients.xmpp: xmpp is a protocol of the daemon's own`,
		`clients.Door: invalid protocol name "Door"`,
		`clients.one.expire: is missing: say how long a presence holds after its last update, e.g. 2h, or 0s for ever`,
		`clients.two.expire: must be at least 1s, or 0s for ever; it is 10ms`,
		`clients.three.expire: must be at least 1s, or 0s for ever; it is -1h`,
		`clients.three.on_expiry: must be unavailable or remove; it is "away"`,
	} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("it does not say %s", want)
		}
	}
	if got.code != 2 || t.Failed() {
		t.Errorf("check: %+v", got)
	}
	if got := check("clients: {phone: {expire: soon}}\n"); !strings.Contains(got.stderr, `c.yaml:1: clients.phone.expire: expected a duration such as 90s, 5m or 1h30m, got "soon"`) {
		t.Errorf("no duration: %+v", got)
	}
	good := check("auth: {secret: " + testSecret + "}\nclients: {phone: {expire: 90m, on_expiry: remove}, door: {expire: 0s}}\n")
	if !strings.Contains(good.stdout, "clients:\n  door:\n    expire: 0s\n    on_expiry: \"\"\n  phone:\n    expire: 1h30m\n    on_expiry: remove\n") || good.code != 0 {
		t.Errorf("check: %+v", good)
	}
}
