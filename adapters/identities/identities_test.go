package identities

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/domain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	asterisk = domain.MustProtocol("asterisk")
	irc      = domain.MustProtocol("irc")
)

func write(t *testing.T, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Both forms of a file say the same, and records of the configuration come beside it.
func TestRead(t *testing.T) {
	forms := map[string]string{
		"a.yaml": `- {user: alice@example.test, display_name: Alice, groups: [helpdesk, sales], time_zone: Europe/Berlin, names: {asterisk: [4711@default], irc: [ali, alice]}}
- user: u{number}@example.test
  names: {asterisk: ["1{number}@default"]}
`,
		"a.csv": "\ufeffuser,display_name,groups,time_zone,asterisk,irc\n" +
			"alice@example.test, Alice ,helpdesk; sales,Europe/Berlin,4711@default,ali;alice\nu{number}@example.test,,,,1{number}@default,\n",
	}
	for name, content := range forms {
		t.Run(name, func(t *testing.T) {
			table, err := Read([]Record{{User: "markd@zarafa.com", Names: map[string][]string{"irc": {"mark"}}}}, write(t, name, content))
			if err != nil {
				t.Fatal(err)
			}
			for text, want := range map[string]domain.UserID{"4711@default": "alice@example.test", "112@default": "u12@example.test"} {
				if user, _ := table.User(asterisk, text); user != want {
					t.Errorf("%s is %q, want %q", text, user, want)
				}
			}
			if names := table.Names(irc); len(names) != 3 {
				t.Errorf("the nicks are %v", names)
			}
			if alice := table.Of("alice@example.test"); alice.DisplayName != "Alice" || strings.Join(alice.Groups, ",") != "helpdesk,sales" || alice.TimeZone != "Europe/Berlin" {
				t.Errorf("alice is %+v", alice)
			}
		})
	}
	if table, err := Read(nil, ""); err != nil || table.Of("alice@example.test") != nil {
		t.Errorf("nothing is read as %v, %v", table, err)
	}
	if _, err := Read(nil, write(t, "empty.yaml", "# nobody yet\n")); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

// Whatever is wrong is told with the key, the file, and the place in it.
func TestReadFaults(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"a.txt", "", "identities_file: /a.txt: its name must end with .yaml or .csv"},
		{"a.yaml", "user: alice@example.test\n", "line 1: cannot unmarshal !!map into []identities.Record"},
		{"a.yaml", "- {user: alice@example.test, nick: ali}\n", "line 1: field nick not found"},
		{"a.yaml", "- {user: alice}\n- {user: bob}\n", "\nidentities_file: /a.yaml: entry 2 (bob): invalid identity: "},
		{"a.yaml", "- {user: alice@example.test, time_zone: Berlin}\n", `identities_file: /a.yaml: entry 1 (alice@example.test): time_zone: expected a name such as Europe/Berlin, got "Berlin"`},
		{"a.yaml", "- [\n", "yaml: line"},
		{"a.csv", "", "it is empty"},
		{"a.csv", "name\nalice\n", "there is no column user"},
		{"a.csv", "user,irc\nalice@example.test\n", "record on line 2: wrong number of fields"},
		{"a.csv", "user,IRC\nalice@example.test,ali\n", `invalid protocol name "IRC"`},
		{"a.csv", "user,irc\na@b,x\nmarkd@zarafa.com,\n", "" + `identities: entry 1 (a): invalid identity: `},
	}
	for _, test := range tests {
		path := write(t, test.name, test.content)
		var records []Record
		if strings.HasPrefix(test.want, "identities: ") {
			records = []Record{{User: "a"}}
		}
		_, err := Read(records, path)
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), filepath.Dir(path), ""), test.want) {
			t.Errorf("%s %q: %v, want %s", test.name, test.content, err, test.want)
		}
	}
	if _, err := Read(nil, "/nowhere/a.csv"); err == nil || !strings.Contains(err.Error(), "identities_file: open /nowhere/a.csv: no such file") {
		t.Errorf("no file: %v", err)
	}
}

// A fault is told of the entry that has it, by the number that it has where it stands: in the configuration, or in the file.
func TestFaultsOfBoth(t *testing.T) {
	file := write(t, "a.yaml", "- {user: alice@example.test, names: {irc: [ali]}}\n- {user: bob}\n")
	_, err := Read([]Record{
		{User: "carl"}, {User: "markd@zarafa.com"}, {User: "alice@example.test"}, {User: strings.Repeat("d", 100) + "@example.test", Names: map[string][]string{"irc": {"ALI"}}},
	}, file)
	want := "identities_file: " + file + `: entry 2 (bob): invalid identity: invalid user "bob": it has no @: an id is account@domain
identities: entry 1 (carl): invalid identity: invalid user "carl": it has no @: an id is account@domain
identities: entry 3 (alice@example.test): invalid identity: the user is there twice
identities: entry 4 (` + strings.Repeat("d", 60) + `): invalid identity: irc "ALI": it is a name of alice@example.test already`
	if err == nil || err.Error() != want {
		t.Errorf("the faults are\n%v\nwant\n%s", err, want)
	}
}

// table notes what it is given.
type table struct{ taken []*domain.Identities }

func (f *table) Replace(t *domain.Identities) { f.taken = append(f.taken, t) }

// A file that changes is read again. If it is faulty the table stays, the log says why, once, and the next change counts.
func TestFollow(t *testing.T) {
	path := write(t, "a.csv", "user,irc\nalice@example.test,ali\n")
	change := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pass := func(d time.Duration) {
		time.Sleep(d)
		synctest.Wait()
	}
	synctest.Test(t, func(t *testing.T) {
		var into table
		var out bytes.Buffer
		f, err := NewFollower(nil, path, &into, slog.New(slog.NewTextHandler(&out, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); f.Run(ctx) }()
		pass(5*lookEvery + lookEvery/2) // between two looks
		if len(into.taken) != 1 {
			t.Errorf("the table was replaced %d times before anything changed", len(into.taken))
		}
		change("user,irc\nalice,ali\n")
		pass(3 * lookEvery)
		if text := out.String(); len(into.taken) != 1 || strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, "it has no @") {
			t.Errorf("after a faulty change: %d tables\n%s", len(into.taken), text)
		}
		change("user,irc\nalice@example.test,ali;alice\n")
		pass(3 * lookEvery)
		if len(into.taken) != 2 || len(into.taken[1].Names(irc)) != 2 {
			t.Errorf("after another change: %d tables\n%s", len(into.taken), out.String())
		}
		stop()
		<-ended
	})
	if _, err := NewFollower(nil, "/nowhere/a.csv", new(table), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file that is missing is accepted at the start")
	}
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte("user,irc\nalice@example.test,ali\n"))
	f.Add([]byte("- {user: alice@example.test, names: {irc: [ali]}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, read := range []func([]byte) ([]Record, error){readCSV, readYAML} {
			if records, err := read(text); err == nil {
				_, _ = domain.NewIdentities(toDomain(records)) // whatever it is, it is read or refused
			}
		}
	})
}
