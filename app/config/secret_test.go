package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// A secret that a later source sets counts, whichever way an earlier one has set it. Only within one source the two ways exclude
// each other, and the fault names that source.
func TestSecretOrItsFile(t *testing.T) {
	const direct, inFile = "auth: {secret: hushhushhushhush}\n", "auth: {secret_file: /file}\n"
	env := func(entries ...string) []string {
		for i := range entries {
			entries[i] = "PRESENCE_AUTH__" + entries[i]
		}
		return entries
	}
	tests := []struct {
		name, content      string
		env, args          []string
		secret, secretFile string
		fault              string
	}{
		{"a secret", direct, nil, nil, "hushhushhushhush", "", ""},
		{"a file", inFile, nil, nil, "", "/file", ""},
		{"environment over a file's name", inFile, env("SECRET=ofanenvironment1"), nil, "ofanenvironment1", "", ""},
		{"environment over a secret", direct, env("SECRET_FILE=/env"), nil, "", "/env", ""},
		{"flag over a secret", direct, nil, []string{"--auth.secret_file=/flag"}, "", "/flag", ""},
		{"flag over the environment", direct, env("SECRET=ofanenvironment1"), []string{"--auth.secret_file=/flag"}, "", "/flag", ""},
		{"the same way", direct, env("SECRET=ofanenvironment1"), nil, "ofanenvironment1", "", ""},
		{"an empty variable sets nothing", inFile, env("SECRET="), nil, "", "/file", ""},
		{"an empty variable takes its own away", inFile, env("SECRET_FILE="), nil, "", "", ""},
		{"environment over both", "auth: {secret: hushhushhushhush, secret_file: /file}\n", env("SECRET=ofanenvironment1"), nil, "ofanenvironment1", "", ""},
		{"both in the file", "auth:\n  secret: hushhushhushhush\n  secret_file: /file\n", nil, nil, "hushhushhushhush", "/file", "c.yaml:3: auth.secret_file: auth.secret is set too"},
		{"both in the environment", "", env("SECRET=hushhushhushhush", "SECRET_FILE=/env"), nil, "hushhushhushhush", "/env",
			"environment variable PRESENCE_AUTH__SECRET_FILE: auth.secret_file: auth.secret is set too"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, loaded, err := load(t, "c.yaml", test.content, test.env, test.args)
			if err != nil {
				t.Fatal(err)
			}
			if a.Auth.Secret != test.secret || a.Auth.SecretFile != test.secretFile {
				t.Errorf("secret %q, file %q; want %q, %q", a.Auth.Secret, a.Auth.SecretFile, test.secret, test.secretFile)
			}
			got := ""
			if err := loaded.Validate(everything); err != nil {
				got = err.Error()
			}
			if !strings.HasSuffix(got, test.fault) || (got == "") != (test.fault == "") {
				t.Errorf("Validate: %q, want %q", got, test.fault)
			}
			for key, value := range map[string]string{"auth.secret": test.secret, "auth.secret_file": test.secretFile} {
				if value == "" && loaded.origin[key] != "" && !strings.Contains(test.name, "empty") {
					t.Errorf("%s is not set, but from %q", key, loaded.origin[key])
				}
			}
		})
	}
	a, _, err := load(t, "c.yaml", "xmpp: {password_file: /file}\n", []string{"PRESENCE_XMPP__PASSWORD=pass"}, nil)
	if err != nil || a.XMPP.Password != "pass" || a.XMPP.PasswordFile != "" {
		t.Errorf("password %q, file %q, %v; want pass alone", a.XMPP.Password, a.XMPP.PasswordFile, err)
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
		return where + ": " + key + ": every user of this machine can read " + files[mode] + "; run: chmod 600 " + files[mode]
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
		{"p.cfg", "", nil, "p.cfg: " + text + legacyRuleNote},
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
