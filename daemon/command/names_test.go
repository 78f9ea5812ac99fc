package command

import (
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/browsertest"
)

// API v1 and its events tell display names, and tell everybody anew when one changes, and only then.
func TestDisplayNames(t *testing.T) {
	r := reloads(t, map[string]string{"identities": "[{user: alice@example.test, display_name: Alice Cooper}]"})
	r.ask(t, clerk, "PUT", "/v1/users/alice@example.test/manual", `{"status":"busy"}`)
	user := func(id string) string { return r.ask(t, clerk, "GET", "/v1/users/"+id, "").body }
	if got := user("ALICE@example.test"); !strings.Contains(got, `"display_name":"Alice Cooper"`) {
		t.Errorf("alice: %s", got)
	}
	if got := user(markd); !strings.Contains(got, `"display_name":null`) {
		t.Errorf("somebody without a display name: %s", got)
	}
	c := r.dial(t, get("/v1/events?user=alice@example.test", signed(testSecret, clerk, time.Now())))
	if !c.until(`"display_name":"Alice Cooper"`) {
		t.Error("the first event has no display name")
	}
	r.change(t, map[string]string{"identities": "[{user: alice@example.test, display_name: Alice Cooper, names: {lamp: [x]}}]"})
	r.change(t, map[string]string{"identities": "[{user: alice@example.test, display_name: Alice}]"})
	events := ""
	for !strings.Contains(events, `"display_name":"Alice",`) {
		line, err := c.lines.ReadString('\n')
		if events += line; err != nil {
			t.Fatalf("the change is not told: %v\n%s", err, events)
		}
	}
	if strings.Count(events, "event: reset") != 1 {
		t.Errorf("the events are\n%s", events)
	}
}

// The board shows display names beside the accounts, finds people by them, and shows another one when it changes.
func TestBoardDisplayNames(t *testing.T) {
	r := reloads(t, map[string]string{"identities": "[{user: alice@example.test, display_name: Alice Cooper}]"})
	for _, user := range []string{"alice", "bob"} {
		r.ask(t, clerk, "PUT", "/v1/users/"+user+"@example.test/manual", `{"status":"busy"}`)
	}
	page := browsertest.Start(t, browsertest.Chromium).Open(t, r.board(clerk), browsertest.Desktop)
	page.Until(t, "both are shown", row("Alice Cooper (alice)")+` === "busy||manual" && `+row("bob")+` === "busy||manual"`)
	r.change(t, map[string]string{"identities": "[{user: alice@example.test, display_name: Alice Smith}]"})
	page.Until(t, "the other name is shown", row("Alice Smith (alice)")+` === "busy||manual"`)
	page.Run(t, `document.querySelector("#search").focus()`)
	page.Type(t, "#search", "smith")
	page.Until(t, "she is found by it", `document.querySelectorAll(".row").length === 1 && `+row("Alice Smith (alice)")+` === "busy||manual"`)
}
