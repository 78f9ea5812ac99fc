// Package architecture proves that the linter enforces the import rules of the hexagon, and that the links of the documents lead somewhere.
package architecture

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// breaches are forbidden imports, each in the place where it would do harm. They form no cycle: the compiler sees those.
var breaches = map[string]string{
	"domain/breach.go":          "net/http",
	"domain/breach2.go":         "github.com/gofiber/fiber/v2",
	"domain/breach3.go":         "github.com/zarafa/presence/adapters/memory",
	"ports/breach.go":           "encoding/json",
	"ports/breach2.go":          "github.com/zarafa/presence/adapters/xmpp",
	"app/breach.go":             "github.com/zarafa/presence/adapters/memory",
	"app/breach2.go":            "go.uber.org/fx",
	"app/breach3.go":            "net/http",
	"app/breach4.go":            "github.com/zarafa/presence/setting",
	"app/commit/breach.go":      "github.com/zarafa/presence/adapters/bolt",
	"app/image/breach.go":       "github.com/zarafa/presence/setting",
	"app/image/breach2.go":      "os",
	"setting/breach.go":         "github.com/zarafa/presence/domain",
	"setting/breach2.go":        "go.yaml.in/yaml/v3",
	"adapters/spreed/breach.go": "github.com/zarafa/presence/adapters/memory",
	"adapters/auth/breach.go":   "github.com/zarafa/presence/app",
	"adapters/clock/breach.go":  "go.uber.org/fx",
	"adapters/http/breach.go":   "github.com/zarafa/presence/adapters/xmpp",
	"adapters/irc/breach.go":    "github.com/zarafa/presence/internal/bench",
	"adapters/irc/breach2.go":   "github.com/zarafa/presence/daemon/config",
	"adapters/bolt/breach.go":   "github.com/zarafa/presence/app/image",

	"daemon/breach.go":                 "github.com/zarafa/presence/internal/bench",
	"daemon/config/breach.go":          "github.com/zarafa/presence/adapters/memory",
	"daemon/config/breach2.go":         "github.com/zarafa/presence/domain",
	"daemon/config/breach3.go":         "go.uber.org/fx",
	"daemon/command/breach.go":         "github.com/zarafa/presence/adapters/xmpp",
	"daemon/command/breach2.go":        "go.uber.org/fx",
	"daemon/internal/wiring/breach.go": "github.com/zarafa/presence/internal/bench",
}

// keepers are imports that the rules allow, lest a rule that forbids everything passes for one that works.
var keepers = map[string]string{
	"domain/keeper.go":        "strings",
	"ports/keeper.go":         "github.com/zarafa/presence/domain",
	"app/keeper.go":           "github.com/zarafa/presence/ports",
	"app/keeper2.go":          "github.com/zarafa/presence/app/image",
	"app/commit/keeper.go":    "github.com/zarafa/presence/app/image",
	"app/image/keeper.go":     "github.com/zarafa/presence/domain",
	"setting/keeper.go":       "crypto/x509",
	"adapters/xmpp/keeper.go": "github.com/zarafa/presence/setting",

	"daemon/keeper.go":                  "go.uber.org/fx",
	"daemon/config/keeper.go":           "github.com/zarafa/presence/setting",
	"daemon/command/keeper.go":          "github.com/zarafa/presence/daemon/internal/wiring",
	"daemon/internal/wiring/keeper.go":  "github.com/zarafa/presence/adapters/memory",
	"daemon/internal/wiring/keeper2.go": "go.uber.org/fx",
	"adapters/spreed/fx.go":             "go.uber.org/fx",
	"adapters/auth/keeper.go":           "github.com/zarafa/presence/domain",
}

// TestLinterBites plants breaches in a skeleton of the project and expects the linter to report each of them, and nothing else.
func TestLinterBites(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", ".golangci.yml"} {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(content))
	}
	for _, pkg := range []string{"domain", "ports", "setting", "app", "app/image", "app/commit", "adapters/memory", "adapters/bolt", "adapters/xmpp", "internal/bench",
		"daemon/config", "daemon/internal/wiring"} {
		write(t, filepath.Join(dir, pkg, "doc.go"), "package "+filepath.Base(pkg)+"\n")
	}
	for _, files := range []map[string]string{breaches, keepers} {
		for name, imported := range files {
			write(t, filepath.Join(dir, name), "package "+filepath.Base(filepath.Dir(name))+"\n\nimport _ \""+imported+"\"\n")
		}
	}
	output := lint(t, dir)
	for name, imported := range breaches {
		if !reported(output, name) {
			t.Errorf("%s imports %s, and the linter says nothing", name, imported)
		}
	}
	for name, imported := range keepers {
		if reported(output, name) {
			t.Errorf("%s may import %s, but the linter refuses it", name, imported)
		}
	}
	if t.Failed() {
		t.Log(output)
	}
}

func reported(output, name string) bool {
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, name+":") && strings.Contains(line, "(depguard)") {
			return true
		}
	}
	return false
}

// lint runs depguard alone and returns what it prints.
func lint(t *testing.T, dir string) string {
	binary, err := filepath.Abs(filepath.Join(root, "bin", "golangci-lint"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%v: `make test` builds it, or `make bin/golangci-lint` alone", err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "run", "--allow-parallel-runners", "--enable-only=depguard", "--max-issues-per-linter=0", "--max-same-issues=0", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod")
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(output)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
