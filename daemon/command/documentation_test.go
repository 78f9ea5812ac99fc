package command

import (
	"os"
	"strings"
	"testing"

	"github.com/zarafa/presence/daemon/internal/wiring"
)

// TestCommandsAreDocumented looks for every command in the table of docs/configuration.md.
func TestCommandsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "\n| command | does |\n|---|---|\n")
	table, _, _ := strings.Cut(after, "\n\n")
	root, err := Tree(wiring.BuiltIn())
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range root.Commands() {
		if name := command.Name(); name != "help" && !strings.Contains("\n"+table, "\n| `"+name+" ") && !strings.Contains("\n"+table, "\n| `"+name+"`") {
			t.Errorf("docs/configuration.md does not have the command %s", name)
		}
	}
}
