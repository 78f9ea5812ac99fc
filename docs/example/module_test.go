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
	copyAdapter(t, filepath.Join(root, "adapters/irc"), filepath.Join(dir, "irc"))
	module, err := os.ReadFile("module/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.mod"), strings.Replace(string(module), "=> ../presence", "=> "+root, 1))

	program := filepath.Join(dir, "presence-ircnet")
	build := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", program, ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOPROXY=off") // the daemon needs the same modules
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	check := exec.CommandContext(t.Context(), program, "check", "--protocols=ircnet", "--ircnet.watch=alice")
	check.Env = []string{"PRESENCE_CONFIG=" + os.DevNull, "PRESENCE_AUTH__SECRET=Ga7ouK9eeRie4oovQuai", "PRESENCE_STORE__KIND=memory"}
	output, err := check.CombinedOutput()
	if err == nil || check.ProcessState.ExitCode() != 2 || !strings.Contains(string(output), "ircnet.host: ") || !strings.Contains(string(output), "ircnet.domain: ") {
		t.Errorf("check: %v, without the faults of ircnet:\n%s", err, output)
	}
}

// copyAdapter copies an adapter without its tests, and calls its protocol ircnet.
func copyAdapter(t *testing.T, from, to string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(from, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, filepath.Base(file)), strings.Replace(string(text), `MustProtocol("irc")`, `MustProtocol("ircnet")`, 1))
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
