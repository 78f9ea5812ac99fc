package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// in runs a program in a directory and returns what it printed.
func in(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=Mark", "GIT_AUTHOR_EMAIL=markd@zarafa.com",
		"GIT_COMMITTER_NAME=Mark", "GIT_COMMITTER_EMAIL=markd@zarafa.com")
	output, err := command.CombinedOutput()
	return string(output), err
}

// repository makes one whose CHANGELOG.md is given, with the script in it.
func repository(t *testing.T, changelog string) string {
	t.Helper()
	dir := t.TempDir()
	script, err := os.ReadFile("release")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "scripts"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"scripts/release": string(script), "CHANGELOG.md": changelog} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-q", "-m", "all"}} {
		if output, err := in(t, dir, "git", args...); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, output)
		}
	}
	return dir
}

const changelog = `# Changelog

## [Unreleased]

### Added

- What comes later.

## [1.2.3] - 2026-11-26

### Added

- Packages.

## [1.2.2] - 2026-10-01

- Something else.
`

// TestRelease: a version that is ready is tagged with what the changelog says of it, once.
func TestRelease(t *testing.T) {
	dir := repository(t, changelog)
	if output, err := in(t, dir, "scripts/release", "1.2.3"); err != nil || !strings.Contains(output, "git push origin main v1.2.3") {
		t.Fatalf("%v\n%s", err, output)
	}
	if message, err := in(t, dir, "git", "for-each-ref", "--format=%(objecttype) %(contents)", "refs/tags/v1.2.3"); err != nil ||
		strings.TrimSpace(message) != "tag zarafa-presence 1.2.3\n\n### Added\n\n- Packages." {
		t.Errorf("%v: the tag says %q", err, message)
	}
	if output, err := in(t, dir, "scripts/release", "1.2.3"); err == nil || !strings.Contains(output, "the tag v1.2.3 is there already") {
		t.Errorf("%v\n%s", err, output)
	}
}

// TestReleaseRefuses: what is not ready is not tagged, and the reason is said.
func TestReleaseRefuses(t *testing.T) {
	nothing := func(*testing.T, string) {}
	for name, test := range map[string]struct {
		version, changelog, want string
		before                   func(t *testing.T, dir string)
	}{
		"no version":   {"0~20261126.abc", changelog, "make release VERSION=1.2.3", nothing},
		"a v":          {"v1.2.3", changelog, "make release VERSION=1.2.3", nothing},
		"no section":   {"1.3.0", changelog, "rename Unreleased to: ## [1.3.0] - 20", nothing},
		"no date":      {"1.2.3", strings.Replace(changelog, "] - 2026-11-26", "]", 1), "has no date", nothing},
		"a wrong date": {"1.2.3", strings.Replace(changelog, "2026-11-26", "2026-11-31", 1), "has no date", nothing},
		"no changes":   {"1.2.3", strings.Replace(changelog, "### Added\n\n- Packages.\n\n", "", 1), "says nothing", nothing},
		"not committed": {"1.2.3", changelog, "not committed", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		"another branch": {"1.2.3", changelog, "this is feature", func(t *testing.T, dir string) {
			if output, err := in(t, dir, "git", "checkout", "-q", "-b", "feature"); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := repository(t, test.changelog)
			test.before(t, dir)
			if output, err := in(t, dir, "scripts/release", test.version); err == nil || !strings.Contains(output, test.want) {
				t.Errorf("%v, want %q:\n%s", err, test.want, output)
			}
			if tags, err := in(t, dir, "git", "tag"); err != nil || tags != "" {
				t.Errorf("%v: there are tags: %s", err, tags)
			}
		})
	}
}
