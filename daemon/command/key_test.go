package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// printed finds what the command prints: the key, and its line for the configuration.
var printed = regexp.MustCompile(`^(zpk_[A-Za-z0-9_-]{43})\n- (\{name: [a-z]+, hash: "sha256:[0-9a-f]{64}", .*\})\n$`)

func TestKeyCommand(t *testing.T) {
	got := command(nil, "key", "pbx", "--protocol", "phone", "--protocol=door", "--user", "*@example.test,group:helpdesk")
	if m := printed.FindStringSubmatch(got.stdout); got.code != 0 || m == nil || !strings.HasSuffix(m[2], `, protocols: ["phone", "door"], users: ["*@example.test", "group:helpdesk"], read: false}`) {
		t.Errorf("key: %+v", got)
	}
	if got.stderr != "" {
		t.Errorf("of an entry that may be used as it is: %q", got.stderr)
	}
	for _, gap := range [][]string{{}, {"--user=alice@example.test"}, {"--protocol=phone"}, {"--read"}} {
		got := command(nil, append([]string{"key", "pbx"}, gap...)...)
		if got.code != 0 || !printed.MatchString(got.stdout) || got.stderr != "the entry is not accepted yet: it needs users, and protocols or read: true\n" {
			t.Errorf("with gaps, %q: %+v", gap, got)
		}
	}
	if got := command(nil, "key", "pbx", "--protocol=Phone", "--user=alice"); got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, `invalid protocol name "Phone"`) ||
		!strings.Contains(got.stderr, `invalid user "alice"`) {
		t.Errorf("an entry that cannot be: %+v", got)
	}
	for _, args := range [][]string{{"PBX 1"}, {}} {
		want := map[int]string{1: `zarafa-presence: a key's name has up to 32 lower-case letters, digits and hyphens, a letter first; it is "PBX 1"`, 0: "zarafa-presence: missing arguments: expected a name, e.g. pbx"}[len(args)]
		if got := command(nil, append([]string{"key"}, args...)...); got.code != 2 || got.stdout != "" || !strings.HasPrefix(got.stderr, want) {
			t.Errorf("key %q: %+v, want %s", args, got, want)
		}
	}
}

// A key that the command has made works after a reload, for the users that it lists, and no longer when it is taken away. The logs call it by its name, and
// nowhere is the key itself.
func TestKeyOfDaemon(t *testing.T) {
	dir := t.TempDir()
	m := printed.FindStringSubmatch(command(nil, "key", "pbx", "--protocol=phone,phnoe", "--user=group:helpdesk", "--read").stdout)
	key, line := m[1], m[2]
	audit, access := filepath.Join(dir, "audit.log"), filepath.Join(dir, "access.log")
	r := reloads(t, map[string]string{
		"clients": "{phone: {expire: 2h}}", "identities": "[{user: alice@example.test, groups: [helpdesk]}]", "log.audit": audit, "log.access": access,
	})
	ask := func(method, path, body string) int {
		return r.ask(t, markd, method, path, body, "Authorization", "Bearer "+key).status
	}
	if status := ask("PUT", "/v1/users/alice@example.test/phone", `{"status":"busy"}`); status != 401 {
		t.Errorf("before it is known: %d", status)
	}
	r.change(t, map[string]string{"auth.keys": "[" + line + "]"})
	for user, want := range map[string]int{"alice@example.test": 204, "bob@example.test": 403} {
		if status := ask("PUT", "/v1/users/"+user+"/phone", `{"status":"busy"}`); status != want {
			t.Errorf("it sets %s: %d, want %d", user, status, want)
		}
	}
	c := r.dial(t, get("/v1/events?user=alice@example.test", key))
	if !c.until("event: ready") {
		t.Error("it gets no stream")
	}
	r.change(t)
	if !c.until(`{"reason":"expired"}`) {
		t.Error("its stream goes on after it was revoked")
	}
	if status := ask("PUT", "/v1/users/alice@example.test/phone", `{"status":"busy"}`); status != 401 {
		t.Errorf("after it was revoked: %d", status)
	}
	for file, want := range map[string][]string{
		audit:  {`"outcome":"done","by":"key:pbx","service":false`, `"outcome":"refused","by":"key:pbx"`},
		access: {"route=/v1/users/:user/:protocol status=204", "user=key:pbx"},
	} {
		var text []byte
		if !soon(func() bool {
			text, _ = os.ReadFile(file)
			return strings.Contains(string(text), want[0]) && strings.Contains(string(text), want[1])
		}) {
			t.Errorf("%s has\n%s", file, text)
		}
		if strings.Contains(string(text), key) {
			t.Errorf("%s has the key", file)
		}
	}
	if log := r.stderr.String(); strings.Contains(log, key) || !strings.Contains(log, "auth.keys: pbx lists phnoe, which is no protocol that clients set") {
		t.Errorf("the log is\n%s", log)
	}
}

// When a user leaves the group that a key lists, by a file that is followed, the key's stream about the user ends. One about who has stayed goes on.
func TestStreamOfKeyFollowsGroups(t *testing.T) {
	m := printed.FindStringSubmatch(command(nil, "key", "wall", "--user=group:helpdesk", "--read").stdout)
	key, line := m[1], m[2]
	file := write(t, "identities.yaml", "- {user: alice@example.test, groups: [helpdesk]}\n- {user: bob@example.test, groups: [helpdesk]}\n")
	r := reloads(t, map[string]string{"identities_file": file, "auth.keys": "[" + line + "]"})
	follow := func(user string) *rawConn {
		t.Helper()
		c := r.dial(t, get("/v1/events?user="+user, key))
		if !c.until("event: ready") {
			t.Fatalf("the key may not follow %s", user)
		}
		return c
	}
	alice, bob := follow("alice@example.test"), follow("bob@example.test")
	if err := os.WriteFile(file, []byte("- {user: alice@example.test}\n- {user: bob@example.test, groups: [helpdesk]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !alice.until("event: end") {
		t.Error("the stream about who has left the group goes on")
	}
	if got := r.ask(t, clerk, "PUT", "/v1/users/bob@example.test/manual", `{"status":"busy"}`); got.status != 204 {
		t.Fatalf("PUT: %+v", got)
	}
	if !bob.until(`"status":"busy"`) {
		t.Error("the stream about who has stayed in the group tells nothing")
	}
}
