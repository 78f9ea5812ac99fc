package example

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestModule builds the page's program in a module of its own, and asks it about the protocol that it adds.
func TestModule(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copyFile(t, "module/main.go", filepath.Join(dir, "main.go"))
	copyFile(t, filepath.Join(root, "go.sum"), filepath.Join(dir, "go.sum"))
	for _, name := range []string{"config.go", "connection.go", "fx.go", "source.go"} {
		copyFile(t, filepath.Join("irc", name), filepath.Join(dir, "irc", name))
	}
	module, err := os.ReadFile("module/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.mod"), strings.Replace(string(module), "=> ../presence", "=> "+root, 1))

	program := filepath.Join(dir, "presence-irc")
	build := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", program, ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOPROXY=off") // the daemon needs the same modules
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	check := exec.CommandContext(t.Context(), program, "check", "--protocols=irc", "--irc.poll_every=5s")
	check.Env = []string{"PRESENCE_CONFIG=" + os.DevNull, "PRESENCE_AUTH__SECRET=Ga7ouK9eeRie4oovQuai", "PRESENCE_STORE__KIND=memory"}
	output, err := check.CombinedOutput()
	if err == nil || check.ProcessState.ExitCode() != 2 || !strings.Contains(string(output), "irc.host: ") || !strings.Contains(string(output), "irc.domain: ") {
		t.Errorf("check: %v, without the faults of irc:\n%s", err, output)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(text))
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
