package command

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// groupsOfOffice are identities with the groups helpdesk and phones.
const groupsOfOffice = `
  - {user: alice@example.test, groups: [helpdesk]}
  - {user: bob@example.test, groups: [helpdesk]}
  - {user: "u{number}@example.test", groups: [phones, helpdesk]}`

// shows waits until a program has written a text.
func shows(t *testing.T, program *exec.Cmd, text string) {
	t.Helper()
	eventually(t, "it shows "+text, func() bool { return strings.Contains(program.Stdout.(*output).String(), text) })
}

// Groups are asked about and followed by the commands; whoever comes into one by another configuration is told, and whoever leaves it is told no more.
func TestGroups(t *testing.T) {
	r := reloads(t, map[string]string{"identities": groupsOfOffice})
	environ := append([]string{"PRESENCE_URL=" + r.url, "PRESENCE_AUTH__SERVICES=" + clerk}, secretEnv...)
	set := func(user, status string) {
		t.Helper()
		if got := r.ask(t, clerk, "PUT", "/v1/users/"+user+"@example.test/manual", `{"status":"`+status+`"}`); got.status != 204 {
			t.Fatalf("PUT: %d %s", got.status, got.body)
		}
	}
	set("alice", "busy")
	set("u1", "away")
	table := command(environ, "get", "group:helpdesk", "markd@zarafa.com").stdout
	for _, line := range []string{"markd@zarafa.com   unavailable", "alice@example.test  busy", "bob@example.test    unavailable", "u1@example.test     away"} {
		if !strings.Contains(strings.Join(strings.Fields(table), " "), strings.Join(strings.Fields(line), " ")) {
			t.Errorf("get shows\n%s\nwithout %s", table, line)
		}
	}
	if again := command(environ, "get", "markd@zarafa.com", "--group", "helpdesk").stdout; again != table {
		t.Errorf("with the flag get shows\n%s\nand else\n%s", again, table)
	}
	if got := command(environ, "get", "group:sales"); got.code != exitUsage || !strings.Contains(got.stderr, `unknown group "sales"`) {
		t.Errorf("about an unknown group get ends with %d: %s", got.code, got.stderr)
	}

	watch := start(t, environ, "watch", "group:helpdesk")
	shows(t, watch, " alice@example.test busy manual\n")
	shows(t, watch, " u1@example.test away manual\n")
	set("u2", "busy")
	shows(t, watch, " u2@example.test busy manual\n")
	alone := r.listens(t, clerk, "carl@example.test")
	r.change(t, map[string]string{"identities": "\n  - {user: bob@example.test, groups: [helpdesk]}\n  - {user: carl@example.test, groups: [helpdesk]}"})
	shows(t, watch, " carl@example.test unavailable -\n")
	set("alice", "away")
	set("carl", "away")
	shows(t, watch, " carl@example.test away manual\n")
	alone.eventually(t, `"user":"carl@example.test","status":"away"`)
	if strings.Contains(alone.String(), "event: reset") {
		t.Errorf("a stream about no group begins anew when a group changes:\n%s", alone)
	}
	if text := watch.Stdout.(*output).String(); strings.Contains(text, "alice@example.test away") {
		t.Errorf("who has left the group is told still:\n%s", text)
	}
	if got := r.ask(t, markd, "GET", "/v1/groups", ""); got.body != `{"groups":[{"group":"helpdesk","members":2}]}` {
		t.Errorf("the groups are %s", got.body)
	}
}

// watch --until ends as soon as it is so: at once, or when it becomes so; or when the time is over, or it is interrupted.
func TestWatchUntil(t *testing.T) {
	r := reloads(t, map[string]string{"identities": groupsOfOffice})
	environ := append([]string{"PRESENCE_URL=" + r.url, "PRESENCE_AUTH__SERVICES=" + clerk}, secretEnv...)
	set := func(user, status string) {
		t.Helper()
		if got := r.ask(t, clerk, "PUT", "/v1/users/"+user+"@example.test/manual", `{"status":"`+status+`"}`); got.status != 204 {
			t.Fatalf("PUT: %d %s", got.status, got.body)
		}
	}
	one := start(t, environ, "watch", "--until", "available", "alice@example.test")
	group := start(t, environ, "watch", "--until", "available", "--timeout", "1m", "--json", "group:helpdesk")
	interrupted := start(t, environ, "watch", "--until", "busy", "group:helpdesk")
	shows(t, one, "alice@example.test unavailable")
	shows(t, group, `"user":"bob@example.test"`)
	shows(t, interrupted, "bob@example.test unavailable")
	set("u5", "available") // who becomes a member by being known
	if err := group.Wait(); err != nil || !strings.Contains(lastLine(group), `{"user":"u5@example.test","status":"available"`) {
		t.Errorf("when a member is available, watch ends with %v:\n%s", err, group.Stdout)
	}
	set("alice", "available")
	if err := one.Wait(); err != nil || !strings.HasSuffix(lastLine(one), " alice@example.test available manual") {
		t.Errorf("when she is available, watch ends with %v:\n%s", err, one.Stdout)
	}
	if got := command(environ, "watch", "--until", "available", "markd@zarafa.com", "group:helpdesk"); got.code != exitOK {
		t.Errorf("when it is so already, watch ends with %d: %s", got.code, got.stderr)
	}
	if got := command(environ, "watch", "--until", "busy", "--timeout", "1s", "alice@example.test"); got.code != exitTimeout ||
		got.stderr != "zarafa-presence: nobody was busy within 1s\n" {
		t.Errorf("when the time is over, watch ends with %d: %s", got.code, got.stderr)
	}
	if err := interrupted.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := interrupted.Wait(); interrupted.ProcessState.ExitCode() != exitFailed {
		t.Errorf("interrupted, watch ends with %v", err)
	}
}

// lastLine is what a program has written last.
func lastLine(program *exec.Cmd) string {
	text := strings.TrimSpace(program.Stdout.(*output).String())
	return text[strings.LastIndex(text, "\n")+1:]
}
