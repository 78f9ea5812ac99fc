package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The records of the configuration and of the file are checked together, and names are looked up in both.
func TestIdentities(t *testing.T) {
	dir := t.TempDir()
	file, table := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "people.csv")
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "identities_file: "+table+"\nidentities:\n  - {user: markd@zarafa.com, names: {irc: [mark]}}\n")
	write(table, "user,irc\nalice@example.test,ali\n")
	run := func(args ...string) result {
		return command(nil, append([]string{"identities", "--config", file}, args...)...)
	}
	for _, test := range []struct {
		args []string
		want result
	}{
		{nil, result{0, "2 records, no fault\n", ""}},
		{[]string{"irc", "ALI", "mark", "bob"}, result{0, "ALI alice@example.test\nmark markd@zarafa.com\nbob -\n", ""}},
		{[]string{"irc"}, result{2, "", "zarafa-presence: a protocol and names are needed, e.g. asterisk 4711@default (see: zarafa-presence identities --help)\n"}},
		{[]string{"IRC", "ali"}, result{2, "", "zarafa-presence: invalid protocol name \"IRC\": up to 32 lower-case letters, digits and hyphens, a letter first\n"}},
	} {
		if got := run(test.args...); got != test.want {
			t.Errorf("identities %q: %+v, want %+v", test.args, got, test.want)
		}
	}
	write(table, "user,irc\nalice,ali\nbob,b\n")
	want := "zarafa-presence: identities_file: " + table + `: entry `
	if got := run(); got.code != 2 || got.stdout != "" || got.stderr != want+`1 (alice): invalid identity: invalid user "alice": it has no @: an id is account@domain`+"\n"+
		want+`2 (bob): invalid identity: invalid user "bob": it has no @: an id is account@domain`+"\n" {
		t.Errorf("a faulty file: %+v", got)
	}
}

// A running daemon is asked which names are nobody's.
func TestUnmapped(t *testing.T) {
	r := reloads(t, map[string]string{"protocols": "[lamp]"})
	ask := func(args ...string) result {
		return command([]string{"PRESENCE_URL=" + r.url, "PRESENCE_AUTH__SECRET=" + testSecret}, append([]string{"identities", "--unmapped"}, args...)...)
	}
	want := result{0, "lamp somebody else 1\n", ""}
	if !soon(func() bool { return ask("--as", clerk) == want }) {
		t.Errorf("%+v, want %+v", ask("--as", clerk), want)
	}
	if got := ask("--as", markd); got.code != 3 || got.stdout != "" {
		t.Errorf("somebody who is no service: %+v", got)
	}
	if got := ask("lamp", "x"); got.code != 2 || !strings.HasPrefix(got.stderr, "zarafa-presence: --unmapped takes no names") {
		t.Errorf("with names: %+v", got)
	}
}
