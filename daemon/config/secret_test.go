package config

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"
)

// A secret that a later source sets counts, whichever way an earlier one has set it, and that it replaces one is said. Only within one
// source the two ways exclude each other, and the fault names that source. A file that is not in use is not read.
func TestSecretOrItsFile(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"file", "env", "flag"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(" secret of the "+name+" \r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const direct, inFile = "auth: {secret: hushhushhushhush}\n", "auth: {secret_file: DIR/file}\n"
	env := func(entries ...string) []string {
		for i := range entries {
			entries[i] = strings.ReplaceAll("PRESENCE_AUTH__"+entries[i], "DIR", dir)
		}
		return entries
	}
	const said, byEnv, byFlag = ": it takes the place of the secret that is set by ", "environment variable PRESENCE_AUTH__SECRET", "--auth.secret_file"
	tests := []struct {
		name, content string
		env, args     []string
		secret        string
		fault         string
		warning       string
	}{
		{"a secret", direct, nil, nil, "hushhushhushhush", "", ""},
		{"a file", inFile, nil, nil, " secret of the file ", "", ""},
		{"environment over a file's name", inFile, env("SECRET=ofanenvironment1"), nil, "ofanenvironment1", "", byEnv + ": auth.secret" + said + "DIR/c.yaml:1"},
		{"environment over the name of no file", "auth: {secret_file: /nowhere}\n", env("SECRET=ofanenvironment1"), nil, "ofanenvironment1", "",
			byEnv + ": auth.secret" + said + "DIR/c.yaml:1"},
		{"environment over a secret", direct, env("SECRET_FILE=DIR/env"), nil, " secret of the env ", "", byEnv + "_FILE: auth.secret_file" + said + "DIR/c.yaml:1"},
		{"flag over a secret", direct, nil, []string{"--auth.secret_file=" + dir + "/flag"}, " secret of the flag ", "", byFlag + said + "DIR/c.yaml:1"},
		{"flag over the environment", "", env("SECRET=ofanenvironment1"), []string{"--auth.secret_file=" + dir + "/flag"}, " secret of the flag ", "",
			byFlag + said + byEnv},
		{"the same way", direct, env("SECRET=ofanenvironment1"), nil, "ofanenvironment1", "", byEnv + ": auth.secret" + said + "DIR/c.yaml:1"},
		{"an empty variable sets nothing", inFile, env("SECRET="), nil, " secret of the file ", "", ""},
		{"an empty variable for a file's name too", inFile, env("SECRET_FILE="), nil, " secret of the file ", "", ""},
		{"both in the file", "auth:\n  secret: hushhushhushhush\n  secret_file: DIR/file\n", nil, nil, "",
			"DIR/c.yaml:3: auth.secret_file: both the secret and its file are set; remove one of them", ""},
		{"both in the environment", "", env("SECRET=hushhushhushhush", "SECRET_FILE=DIR/env"), nil, "",
			"environment variable PRESENCE_AUTH__SECRET_FILE: auth.secret_file: both the secret and its file are set; remove one of them", ""},
		{"no file", "auth: {secret_file: /nowhere}\n", nil, nil, "", "DIR/c.yaml:1: auth.secret_file: open /nowhere: no such file or directory", ""},
		{"a directory", "auth: {secret_file: DIR}\n", nil, nil, "", "DIR/c.yaml:1: auth.secret_file: read DIR: is a directory", ""},
		{"an empty file", "auth: {secret_file: /dev/null}\n", nil, nil, "", "DIR/c.yaml:1: auth.secret_file: /dev/null: it is empty", ""},
		{"a file without an end", "auth: {secret_file: /dev/zero}\n", nil, nil, "", "DIR/c.yaml:1: auth.secret_file: /dev/zero: it is longer than 4096 bytes", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			name := filepath.Join(dir, "c.yaml")
			if err := os.WriteFile(name, []byte(strings.ReplaceAll(test.content, "DIR", dir)), 0o600); err != nil {
				t.Fatal(err)
			}
			a, flags := defaults(), pflag.NewFlagSet("", pflag.ContinueOnError)
			if err := errors.Join(AddFlags(flags, a.sections()...), flags.Parse(test.args)); err != nil {
				t.Fatal(err)
			}
			loaded, err := Load(Input{File: name, Environ: test.env, Flags: flags}, a.sections()...)
			if err != nil {
				t.Fatal(err)
			}
			if got := a.Auth.Secret.Reveal(); got != test.secret {
				t.Errorf("secret %q, want %q", got, test.secret)
			}
			got := ""
			if err := loaded.Validate(everything); err != nil {
				got = strings.ReplaceAll(err.Error(), dir, "DIR")
			}
			if got != test.fault {
				t.Errorf("Validate: %q, want %q", got, test.fault)
			}
			if err := loaded.Validate(func(string) bool { return false }); err != nil {
				t.Errorf("of a section that is off: %v", err)
			}
			if got := strings.ReplaceAll(strings.Join(loaded.Warnings(everything), "\n"), dir, "DIR"); got != test.warning {
				t.Errorf("warnings %q, want %q", got, test.warning)
			}
		})
	}
}

// Who cannot read a secret is told who can.
func TestWhoMayRead(t *testing.T) {
	file := write(t, "secret", "x")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	gid := strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Gid), 10)
	if os.Geteuid() == 0 { // then any group will do
		gid = "65534"
		if err := os.Chown(file, 0, 65534); err != nil {
			t.Fatal(err)
		}
	}
	name := gid
	if group, err := user.LookupGroupId(gid); err == nil {
		name = group.Name
	}
	for mode, want := range map[os.FileMode]string{
		0o640: "only root and members of the group " + name + " can read it, and use what needs it",
		0o600: "only root can read it, or its owner",
	} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if got := whoMayRead(file); got != want {
			t.Errorf("%v: %q, want %q", mode, got, want)
		}
	}
	if got := whoMayRead("/nowhere/secret"); got != "only root can read it" {
		t.Errorf("of a file that cannot be seen: %q", got)
	}
}

// A fault that a section finds in a secret from a file names the file.
func TestWeakSecretInAFile(t *testing.T) {
	file := write(t, "secret", "short\n")
	_, loaded, err := load(t, "c.yaml", "auth: {secret_file: "+file+"}\n", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "c.yaml:1: auth.secret_file: " + file + ": the secret is short"
	if err := loaded.Validate(everything); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Validate: %v, want %s", err, want)
	}
}

// Whatever secret is kept in it: a file that everybody can read is warned of, where it is in use.
func TestOpenSecretFiles(t *testing.T) {
	files := map[os.FileMode]string{}
	for _, mode := range []os.FileMode{0o600, 0o640, 0o644, 0o604} {
		name := write(t, "secret", "x")
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		files[mode] = name
	}
	warning := func(where, key string, mode os.FileMode) string {
		return where + ": " + key + ": every user of this machine can read " + files[mode] + "; run: chmod o-rwx " + files[mode]
	}
	tests := []struct {
		name           string
		auth, password string
		off            string
		want           []string
	}{
		{"closed", files[0o600], files[0o640], "", nil},
		{"open", files[0o644], files[0o604], "", []string{warning("c.yaml:1", "auth.secret_file", 0o644), warning("c.yaml:2", "xmpp.password_file", 0o604)}},
		{"off", files[0o600], files[0o604], "xmpp", nil},
		{"missing", "/nowhere", "", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			name := write(t, "c.yaml", "auth: {secret_file: \""+test.auth+"\"}\nxmpp: {password_file: \""+test.password+"\"}\n")
			loaded, err := Load(Input{File: name}, defaults().sections()...)
			if err != nil {
				t.Fatal(err)
			}
			got := loaded.Warnings(func(section string) bool { return section != test.off })
			for i := range got {
				got[i] = strings.TrimPrefix(got[i], filepath.Dir(name)+"/")
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("warnings %q, want %q", got, test.want)
			}
		})
	}
}

// A section's own warnings are told with the place where the value was set, and only once.
func TestSectionsWarnings(t *testing.T) {
	const text = "auth.update: any lets every user change every other"
	tests := []struct {
		name, content string
		environ       []string
		want          string
	}{
		{"c.yaml", "auth: {update: any}\n", nil, "c.yaml:1: " + text},
		{"c.yaml", "", []string{"PRESENCE_AUTH__UPDATE=any"}, "environment variable PRESENCE_AUTH__UPDATE: " + text},
		{"p.cfg", "", []string{"PRESENCE_AUTH__UPDATE=any"}, "environment variable PRESENCE_AUTH__UPDATE: " + text},
		{"p.cfg", "", nil, "p.cfg: " + text + ", as in the original daemon; if your clients update only their own user, set PRESENCE_AUTH__UPDATE=self or --auth.update self"},
	}
	for _, test := range tests {
		_, loaded, err := load(t, test.name, test.content, test.environ, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := loaded.Warnings(everything); len(got) != 1 || !strings.HasSuffix(got[0], test.want) {
			t.Errorf("warnings %q, want %q", got, test.want)
		}
		if got := loaded.Warnings(func(string) bool { return false }); len(got) != 0 {
			t.Errorf("warnings of sections that are off: %q", got)
		}
	}
}
