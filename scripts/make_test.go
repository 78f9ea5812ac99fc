package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMakeNeedsGo: make says in one line which Go is needed, and where to get it, if there is none or an older one.
func TestMakeNeedsGo(t *testing.T) {
	answers := map[string]string{"an old one": "echo go1.19.8", "none": "exit 127", "this one": "echo go1.26.0", "a newer one": "echo go1.100.1"}
	for name, script := range answers {
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, target := range []string{"build", "run", "demo", "manual", "test", "lint", "generate", "bench", "chaos", "fuzz", "package"} {
			command := exec.CommandContext(t.Context(), "make", "--dry-run", target)
			command.Dir = ".."
			command.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "MAKEFLAGS=", "MAKELEVEL=0")
			output, err := command.CombinedOutput()
			want := map[string]string{"an old one": "this is go1.19.8", "none": "there is none"}[name]
			if want == "" {
				if err != nil {
					t.Errorf("%s, make %s: %v\n%s", name, target, err, output)
				}
				continue
			}
			want = "*** Go 1.26.0 or newer is needed, and " + want + "; get it from https://go.dev/dl/.  Stop.\n"
			if text := string(output); err == nil || !strings.HasSuffix(text, want) || strings.Count(text, "\n") != 1 {
				t.Errorf("%s, make %s: %v\n%s\nwant one line: %s", name, target, err, text, want)
			}
		}
	}
}
