package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCompose: the daemon takes the configuration, and its ports and files are those of compose.yaml.
func TestCompose(t *testing.T) {
	const secrets = "/run/secrets/zarafa-presence"
	text := read(t, "compose/zarafa-presence/zarafa-presence.yaml")
	checkConfiguration(t, text, secrets, "secret", "xmpp-password", "prosody.crt")
	configuration, services := parse(t, text), at(parse(t, read(t, "compose/compose.yaml")), "services")
	daemon := at(services, "zarafa-presence")
	volumes, _ := at(daemon, "volumes").([]any)
	for _, file := range []string{"secret", "xmpp-password", "prosody.crt"} {
		if !slices.Contains(volumes, any("./secrets/"+file+":"+secrets+"/"+file+":ro")) {
			t.Errorf("%s is not mounted: %v", file, volumes)
		}
	}
	var ports []any
	for _, key := range []string{"listen", "admin_listen"} {
		address, _ := at(configuration, "http", key).(string)
		ports = append(ports, "127.0.0.1"+address+address)
	}
	if there, _ := at(daemon, "ports").([]any); !slices.Equal(there, ports) {
		t.Errorf("the ports are %v, want %v", there, ports)
	}
	if at(configuration, "store", "url") != "nats://nats:4222" || at(services, "nats") == nil || !strings.Contains(read(t, "compose/nats.conf"), "listen: 0.0.0.0:4222\n") {
		t.Error("the daemon does not find NATS")
	}
	if at(configuration, "xmpp", "host") != "prosody:5222" || at(services, "prosody") == nil {
		t.Error("the daemon does not find Prosody")
	}
}

// TestNATS has the NATS server check its configuration.
func TestNATS(t *testing.T) {
	command := exec.CommandContext(t.Context(), "go", "tool", "github.com/nats-io/nats-server/v2", "-t", "--config", "compose/nats.conf")
	if said, err := command.CombinedOutput(); err != nil || !strings.Contains(string(said), "is valid") {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestProsody has Prosody check its configuration, with what the setup of compose.yaml makes; and the account is made, with that password.
func TestProsody(t *testing.T) {
	dir := t.TempDir()
	if said, err := exec.CommandContext(t.Context(), "cp", "-r", "compose/.", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	_ = os.RemoveAll(filepath.Join(dir, "secrets"))
	for range 2 { // what is there stays
		if said, err := exec.CommandContext(t.Context(), filepath.Join(dir, "setup")).CombinedOutput(); err != nil || len(said) > 0 {
			t.Fatalf("setup: %v\n%s", err, said)
		}
	}
	certificates, data, config := filepath.Join(dir, "certs"), filepath.Join(dir, "data"), filepath.Join(dir, "prosody.cfg.lua")
	text := strings.NewReplacer(`"/var/lib/prosody"`, `"`+data+`"`, `"/etc/prosody/certs"`, `"`+certificates+`"`).Replace(read(t, "compose/prosody/prosody.cfg.lua"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	script := `mkdir certs data && cp secrets/prosody.crt certs/example.test.crt && cp secrets/prosody.key certs/example.test.key
		chown -R prosody . && chmod 755 "$PWD" "$(dirname "$PWD")" && PROSODY_CONFIG="$PWD/prosody.cfg.lua"
		as() { setpriv --reuid=prosody --regid=prosody --clear-groups prosodyctl --config "$PROSODY_CONFIG" "$@"; }
		as check config && as check certs && as register presence example.test "$(cat secrets/xmpp-password)" &&
		as register presence example.test "$(cat secrets/xmpp-password)" && ls data/example%2etest/accounts`
	command := exec.CommandContext(t.Context(), "sh", "-euc", script)
	command.Dir = dir
	if said, err := command.CombinedOutput(); err != nil || !strings.Contains(string(said), "presence.dat") || strings.Contains(string(said), "Error") {
		t.Errorf("%v\n%s", err, said)
	}
}
