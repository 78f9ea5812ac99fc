package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What there is to warn of is told once, and nothing else.
func TestCheckWarnsOnce(t *testing.T) {
	open := func(content string) string {
		name := write(t, "secret", content+"\n")
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	secret, password := open(testSecret), open("hush")
	xmpp := "\nprotocols: [xmpp]\nxmpp: {jid: a@example.test, password_file: \"" + password + "\"}\n"
	tests := []struct {
		name, file, content string
		environ             []string
		want                []string // the lines, less their beginning
	}{
		{"a presence.cfg", "p.cfg", "server_secret_key = " + testSecret + "\n", nil, []string{"p.cfg: auth.update: any lets every user change every other user's presence," +
			" as in the original daemon; if your clients update only their own user, set PRESENCE_AUTH__UPDATE=self or --auth.update self"}},
		{"YAML", "c.yaml", "auth: {secret: " + testSecret + ", update: any}\n", nil, []string{"c.yaml:1: auth.update: any lets every user change every other user's presence"}},
		{"files that everybody can read", "c.yaml", "auth: {secret_file: \"" + secret + "\"}" + xmpp, nil, []string{
			"c.yaml:1: auth.secret_file: every user of this machine can read " + secret + "; run: chmod o-rwx " + secret,
			"c.yaml:3: xmpp.password_file: every user of this machine can read " + password + "; run: chmod o-rwx " + password}},
		{"groups that nobody is in", "c.yaml", `auth: {secret: ` + testSecret + `, see_invisible: ["group:pbx", "*@example.test"], keys: [{name: wall, hash: "sha256:` + strings.Repeat("0", 64) + `", users: ["group:halls"], read: true}]}
identities: [{user: alice@example.test, groups: [helpdesk]}, {user: "u{number}@example.test", groups: [numbers]}]
visibility: [{viewer: "group:helpdesk", user: "group:numbers", sees: all}, {viewer: "group:helpdsk", user: "group:sales", sees: all}, {viewer: "*", user: alice@example.test, sees: all}]
webhooks: [{name: crm, url: "https://crm.example.test", secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=, users: ["group:one"], groups: [two]}]
`, nil, []string{
			"WARNING visibility: entry 2: no record of identities has the group helpdsk", "WARNING visibility: entry 2: no record of identities has the group sales",
			"WARNING auth.see_invisible: no record of identities has the group pbx", "WARNING auth.keys: entry 1 (wall): no record of identities has the group halls",
			"WARNING webhooks: entry 1 (crm): no record of identities has the group one", "WARNING webhooks: entry 1 (crm): no record of identities has the group two"}},
		{"a key and a webhook that are shown nobody", "c.yaml", `auth: {secret: ` + testSecret + `, keys: [{name: wall, hash: "sha256:` + strings.Repeat("0", 64) + `", users: ["*@example.test"], read: true}]}
visibility: [{viewer: "*@example.test", user: "*@example.test", sees: all}]
webhooks: [{name: crm, url: "https://crm.example.test", secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=}]
`, nil, []string{"WARNING auth.keys: entry 1 (wall): it may read, but is shown nobody: no rule of visibility has the viewer key:wall",
			"WARNING webhooks: they are told of nobody: no rule of visibility has the viewer service"}},
		{"rules that have no effect", "c.yaml", `auth: {secret: ` + testSecret + `}
visibility: [{viewer: "key:wall", user: "*", sees: all}, {viewer: "*", user: "*", sees: all}, {viewer: service, user: "*", sees: status}]
`, nil, []string{"WARNING visibility: entry 1: it is about key:wall, which auth.keys does not have",
			"WARNING visibility: entry 2: it is about everybody, so no entry after it has an effect"}},
		{"a key and a webhook for which there are rules", "c.yaml", `auth: {secret: ` + testSecret + `, keys: [{name: wall, hash: "sha256:` + strings.Repeat("0", 64) + `", users: ["*@example.test"], read: true}]}
visibility: [{viewer: "key:wall", user: "*", sees: status}, {viewer: service, user: "*", sees: all}]
webhooks: [{name: crm, url: "https://crm.example.test", secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=}]
`, nil, nil},
		{"who sees the invisible and is no service", "c.yaml", "auth: {secret: " + testSecret + ", services: [crm@example.test], see_invisible: [crm@example.test, pbx@example.test]}\n", nil,
			[]string{"WARNING auth.see_invisible: pbx@example.test is no service (auth.services), and sees nobody who is invisible"}},
		{"the same, where a provider may say who is a service", "c.yaml", "auth: {secret: " + testSecret + ", see_invisible: [pbx@example.test]}\n" +
			"oidc: {issuer: \"https://login.example.test\", client_id: presence, service_role: presence-service}\n", nil, nil},
		{"the same, not in use", "c.yaml", "auth: {secret_file: \"" + secret + "\"}" + strings.Replace(xmpp, "[xmpp]", "[]", 1),
			[]string{"PRESENCE_AUTH__SECRET=" + testSecret},
			[]string{"environment variable PRESENCE_AUTH__SECRET: auth.secret: it takes the place of the secret that is set by DIR/c.yaml:1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := write(t, test.file, test.content)
			got := command(test.environ, "check", "--config", file)
			want := ""
			for _, line := range test.want {
				dir := filepath.Dir(file)
				if text, of := strings.CutPrefix(line, "WARNING "); of { // of the configuration as a whole
					want += "zarafa-presence: warning: " + text + "\n"
				} else if strings.Contains(line, "DIR") {
					want += "zarafa-presence: warning: " + strings.ReplaceAll(line, "DIR", dir) + "\n"
				} else {
					want += "zarafa-presence: warning: " + dir + "/" + line + "\n"
				}
			}
			if got.code != 0 || got.stderr != want {
				t.Errorf("exit code %d, stderr\n%s\nwant\n%s", got.code, got.stderr, want)
			}
		})
	}
}

// What is wrong with an entry of a list is told with the line of that entry, not with the line at which the list begins.
func TestCheckFindsTheEntry(t *testing.T) {
	file := write(t, "c.yaml", `auth:
  secret: `+testSecret+`
  old_secrets:
    - `+testSecret+`
    - short
  keys:
    - {name: pbx, hash: "sha256:`+strings.Repeat("0", 64)+`", users: ["*@example.test"], read: true}
    - {name: wall, hash: "sha256:`+strings.Repeat("1", 64)+`", users: ["*@example.test"]}
visibility:
  - {viewer: service, user: "*", sees: all}
  - viewer: "*@example.test"
    user: markd
    sees: all
  - {viewer: "key:pbx", user: "*"}
status_entries:
  - {label: Lunch, status: away}
  - {label: Tea, status: tea}
webhooks:
  - {name: crm, url: "https://crm.example.test", secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=}
  - name: erp
    url: nowhere
    secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=
identities:
  - {user: alice@example.test}
  - {user: "bob)", time_zone: Berlin}
`)
	got := command(nil, "check", "--config", file)
	for _, want := range []string{":5: auth.old_secrets: entry 2: ", ":8: auth.keys: entry 2 (wall): ", ":12: visibility: entry 2: user: ", ":14: visibility: entry 3: sees: ", ":17: status_entries: entry 2 (Tea): status: ",
		":21: webhooks: entry 2 (erp): url: ", ":25: identities: entry 2 (bob)): time_zone: "} {
		if got.code != 2 || !strings.Contains(got.stderr, file+want) {
			t.Errorf("exit code %d, stderr without %s\n%s", got.code, want, got.stderr)
		}
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name, file, content string
		environ             []string
		code                int
		stdout, stderr      []string
	}{
		{"fine", "c.yaml", "auth: {secret: " + testSecret + ", old_secrets: [Zie8aiWieCh3ahGhooSh]}\nhttp: {listen: \":80\"}\n", nil, 0,
			[]string{"listen: :80", "secret: '********'", "old_secrets:\n    - '********'\n", "protocols: []", "auto_unavailable: 2m", "level: info"}, nil},
		{"from everywhere", "c.yaml", "auth: {secret: " + testSecret + "}\n", []string{"PRESENCE_SPREED__AUTO_UNAVAILABLE=90s"}, 0, []string{"auto_unavailable: 1m30s"}, nil},
		{"faults, a line each", "c.yaml", "http: {listn: x}\nfoo: 1\n", nil, 2, nil, []string{"c.yaml:1: http.listn: unknown key; did you mean http.listen?\n", "c.yaml:2: foo: unknown key"}},
		{"impossible values", "c.yaml", "auth: {secret: " + testSecret + ", token_expire: 0s, update: nobody}\nspreed: {auto_unavailable: -1s}\nstore: {kind: redis}\n", nil, 2, nil,
			[]string{"c.yaml:1: auth.token_expire: must be more than zero", `c.yaml:1: auth.update: must be self or any; it is "nobody"`, "c.yaml:2: spreed.auto_unavailable: must be at least 1s, e.g. 2m; it is -1s", "c.yaml:3: store.kind: must be bolt, nats or memory"}},
		{"a protocol that is off may be unfinished", "c.yaml", "auth: {secret: " + testSecret + "}\nxmpp: {tls: starttls}\n", nil, 0, []string{"tls: starttls"}, nil},
		{"but not misspelt", "c.yaml", "auth: {secret: " + testSecret + "}\nxmpp: {tsl: starttls}\n", nil, 2, nil, []string{"c.yaml:2: xmpp.tsl: unknown key; did you mean xmpp.tls?"}},
		{"a protocol that is on", "c.yaml", "auth: {secret: " + testSecret + "}\nprotocols: [xmpp]\n", nil, 2, nil, []string{"c.yaml: xmpp.jid: it is missing", "c.yaml: xmpp.password: it is missing"}},
		{"a store's directory that holds something else", "c.yaml", "auth: {secret: " + testSecret + "}\nstore: {dir: /proc}\n", nil, 2, nil,
			[]string{"c.yaml:2: store.dir: "}},
		{"a section that is not complete", "c.yaml", "auth: {secret: " + testSecret + "}\nprotocols: [xmpp]\nxmpp:\n  jid: a@example.test\n", nil, 2, nil, []string{"c.yaml:3: xmpp.password: it is missing"}},
		{"an unreadable certificate", "c.yaml", "auth: {secret: " + testSecret + "}\nprotocols: [xmpp]\nxmpp: {jid: a@example.test, password: " + testSecret + ", ca_file: /nowhere/ca.pem}\n", nil, 2, nil, []string{"xmpp.ca_file", "/nowhere/ca.pem"}},
		{"faults in files, with the others", "c.yaml", "auth: {secret_file: /nowhere/secret}\nprotocols: [xmpp]\nxmpp: {jid: a, password_file: /nowhere/password, ca_file: " + os.DevNull + "}\nlog: {file: /nowhere/x.log}\n", nil, 2, nil,
			[]string{"c.yaml:1: auth.secret_file: open /nowhere/secret: ", "c.yaml:3: xmpp.jid: ", "c.yaml:3: xmpp.password_file: open /nowhere/password: ", "c.yaml:3: xmpp.ca_file: " + os.DevNull + ": it has no PEM certificate", "c.yaml:4: log.file: it cannot be made in /nowhere: no such file or directory"}},
		{"the files of a protocol that is off", "c.yaml", "auth: {secret: " + testSecret + "}\nxmpp: {password_file: /nowhere/password}\n", nil, 0, []string{"password_file: /nowhere/password"}, nil},
		{"warnings", "p.cfg", "server_secret_key = " + testSecret + "\ndata_save_interval = 5\n", nil, 0, []string{"update: any"},
			[]string{"zarafa-presence: warning: ", "p.cfg:2: data_save_interval: ignored", "auth.update: any lets every user change"}},
		{"a weak secret of old", "p.cfg", "server_secret_key = GEHEIM\n", nil, 2, nil, []string{"p.cfg:1: server_secret_key: auth.secret: ", "PRESENCE_AUTH__ALLOW_WEAK_SECRET=true or --auth.allow_weak_secret"}},
		{"allowed", "p.cfg", "server_secret_key = GEHEIM\n", []string{"PRESENCE_AUTH__ALLOW_WEAK_SECRET=true"}, 0, []string{"allow_weak_secret: true"}, []string{"auth.allow_weak_secret: anybody who guesses the secret"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := command(test.environ, "check", "--config", write(t, test.file, test.content))
			if got.code != test.code {
				t.Errorf("exit code %d, want %d: %s", got.code, test.code, got.stderr)
			}
			for _, want := range test.stdout {
				if !strings.Contains(got.stdout, want) {
					t.Errorf("stdout lacks %q:\n%s", want, got.stdout)
				}
			}
			for _, want := range test.stderr {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("stderr lacks %q:\n%s", want, got.stderr)
				}
			}
			if (got.stdout == "") != (test.stdout == nil) || test.stderr == nil && got.stderr != "" {
				t.Errorf("stdout %q, stderr %q", got.stdout, got.stderr)
			}
			for _, secret := range []string{testSecret, "Zie8aiWieCh3ahGhooSh", "GEHEIM"} {
				if strings.Contains(got.stdout+got.stderr, secret) {
					t.Errorf("the output shows a secret: %+v", got)
				}
			}
		})
	}
}

// check --quiet says nothing of a configuration that is right, also beside the daemon that has the store open: that is what a reload begins with.
func TestCheckBesideADaemon(t *testing.T) {
	args := []string{"--store.kind=bolt", "--store.dir=" + t.TempDir() + "/store"}
	serve(t, secretEnv, append(args, "--http.listen=127.0.0.1:0")...)
	if got := command(secretEnv, append([]string{"check", "--quiet"}, args...)...); got.code != 0 || got.stdout != "" || got.stderr != "" {
		t.Errorf("%+v", got)
	}
	if got := command(secretEnv, append([]string{"check", "-q", "--log.level=loud"}, args...)...); got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, "log.level: must be") {
		t.Errorf("of a fault: %+v", got)
	}
}
