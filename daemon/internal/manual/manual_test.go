package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/daemon/command"
	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/daemon/internal/wiring"
)

func TestMain(m *testing.M) {
	// fasthttp keeps the time of day in a goroutine of its own, for as long as the process lives.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// There is a page for each command and one that has every key, with the version and the date that were asked for; and a completion for each shell.
func TestManual(t *testing.T) {
	dir := t.TempDir()
	if err := run([]string{"1.2.3", dir}, "1700000000"); err != nil {
		t.Fatal(err)
	}
	root, err := command.Tree(wiring.BuiltIn())
	if err != nil {
		t.Fatal(err)
	}
	for _, below := range root.Commands() {
		if !below.IsAvailableCommand() {
			continue
		}
		text := read(t, dir, "man1", "zarafa-presence-"+below.Name()+".1")
		if !strings.Contains(text, `"Nov 2023" "zarafa-presence 1.2.3"`) || strings.Contains(text, "spf13") {
			t.Errorf("the page of %s begins\n%.300s", below.Name(), text)
		}
	}
	if text := read(t, dir, "man1", "zarafa-presence.1"); !strings.Contains(text, "  4  the daemon cannot be reached") {
		t.Error("the list of exit codes is not kept as it is")
	}
	keys, err := config.Keys(wiring.Sections(wiring.BuiltIn())...)
	if err != nil {
		t.Fatal(err)
	}
	page := read(t, dir, "man5", "zarafa-presence.yaml.5")
	for _, key := range keys {
		name := key.Name[strings.LastIndexByte(key.Name, '.')+1:]
		if !strings.Contains(page, ".B "+name+"\n"+roff(key.Help)) || !strings.Contains(page, roff(key.Env)) {
			t.Errorf("the page of the file lacks %s", key.Name)
		}
	}
	for name, want := range map[string]string{"zarafa-presence": "complete", "_zarafa-presence": "#compdef zarafa-presence", "zarafa-presence.fish": "complete -c zarafa-presence"} {
		if text := read(t, dir, "completions", name); !strings.Contains(text, want) {
			t.Errorf("%s lacks %q", name, want)
		}
	}
}

// A text is not taken for a command of troff.
func TestRoff(t *testing.T) {
	for text, want := range map[string]string{
		"plain":         "plain",
		".sh x\n.b":     `\&.sh x` + "\n" + `\&.b`,
		"'quoted'":      `\&'quoted'`,
		`a\b --flag.x`:  `a\eb \-\-flag.x`,
		"it's 1.5 long": "it's 1.5 long",
	} {
		if got := roff(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
