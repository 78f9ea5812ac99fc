package command

import (
	"fmt"
	"testing"

	"github.com/zarafa/presence/internal/browsertest"
)

// me is a JavaScript expression for an element in the board's <presence-me>.
func me(selector string) string {
	return fmt.Sprintf(`document.querySelector("#me").shadowRoot.querySelector(%q)`, selector)
}

// mine is a JavaScript expression for the user's presence as the daemon has it: status, message, activity, and for how many minutes it holds, of what is set by hand.
func (o *office) mine(t *testing.T, user string) string { return "" }

var _ = browsertest.Desktop
