package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/browsertest"
)

// me is a JavaScript expression for an element in the board's <presence-me>.
func me(selector string) string {
	return fmt.Sprintf(`document.querySelector("#me").shadowRoot.querySelector(%q)`, selector)
}

// byHand is what a user has set, as the daemon has it: status, message, activity, and for how many minutes it holds.
func (o *office) byHand(t *testing.T, user string) string {
	t.Helper()
	_, body := v1(t, o.url, http.MethodGet, "users/"+user, "")
	var document struct {
		Protocols map[string]struct {
			Status, Message, Activity string
			Expires                   time.Time
		}
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	is, set := document.Protocols["manual"]
	if !set {
		return "nothing"
	}
	minutes := 0
	if !is.Expires.IsZero() {
		minutes = int(time.Until(is.Expires).Round(time.Minute).Minutes())
	}
	return fmt.Sprintf("%s|%s|%s|%d", is.Status, is.Message, is.Activity, minutes)
}

// TestMyStatus: a person sets a status with the keyboard and with the mouse, from the site's entries and freely, and clears it.
func TestMyStatus(t *testing.T) { inBrowsers(t, offered, myStatus) }

func myStatus(t *testing.T, o *office) {
	o.put(t, "alice@example.test", "away", "")
	page := o.browser.Open(t, o.intranet.daemon+"board#token="+agedToken(boss, 0), browsertest.Desktop)
	page.Expect("net::ERR_")
	says := me("[part=button]") + `.innerText.replace(/\s+/g, " ")`
	focus := `document.querySelector("#me").shadowRoot.activeElement`
	page.Until(t, "who is signed in", says+` === "My status: Front desk unavailable"`)
	if barriers := page.Barriers(t); barriers != "" {
		t.Errorf("closed: %s", barriers)
	}

	page.Run(t, me("[part=button]")+`.focus()`)
	page.Press(t, browsertest.Enter)
	page.Until(t, "the panel is open, at the status", me("[role=dialog]")+`.checkVisibility() && `+focus+`.value === "available" && `+me("[part=button]")+`.ariaExpanded === "true"`)
	if barriers := page.Barriers(t); barriers != "" {
		t.Errorf("open: %s", barriers)
	}
	page.Press(t, browsertest.ArrowDown+browsertest.Tab+"deep / work"+browsertest.Tab+"15"+browsertest.Tab)
	page.Until(t, "the keys went to the form alone", me("input[type=text]")+`.value === "deep / work" && `+focus+`.type === "checkbox"`)
	page.Press(t, browsertest.Tab+browsertest.Enter)
	page.Until(t, "it is set, and the focus is back", says+`.startsWith("My status: Front desk busy, until ") && !`+me("[role=dialog]")+`.checkVisibility() && `+focus+`.part.contains("button")`)
	page.Until(t, "a screen reader is told", me("[role=status]")+`.textContent === "Your status is set."`)
	if got := o.byHand(t, boss); got != "busy|deep / work||15" {
		t.Errorf("set in the form: %s", got)
	}

	page.Press(t, browsertest.Enter)
	page.Until(t, "what is set is in the form", me("input[type=radio]:checked")+`.value === "busy" && `+me("input[type=text]")+`.value === "deep / work" && `+me("select")+`.value === "time"`)
	page.Press(t, browsertest.Escape)
	page.Until(t, "Escape closes it", `!`+me("[role=dialog]")+`.checkVisibility() && `+focus+`.part.contains("button")`)

	page.Run(t, me("[part=button]")+`.click(); `+me(".entries button")+`.click()`)
	page.Until(t, "an entry is set with one click", says+`.startsWith("My status: Front desk away, until ") && !`+me("[role=dialog]")+`.checkVisibility()`)
	if got := o.byHand(t, boss); got != "away|Lunch|meal|60" {
		t.Errorf("set by an entry: %s", got)
	}
	page.Run(t, me("[part=button]")+`.click(); `+me("select")+`.value = "never"; `+me("form")+`.requestSubmit()`)
	page.Until(t, "it has no end any more, and is still a meal", says+` === "My status: Front desk away" && !`+me("[role=dialog]")+`.checkVisibility()`)
	if got := o.byHand(t, boss); got != "away|Lunch|meal|0" {
		t.Errorf("set without an end: %s", got)
	}
	page.Run(t, me("[part=button]")+`.click()`)
	page.Click(t, "h1")
	page.Until(t, "a click elsewhere closes it", `!`+me("[role=dialog]")+`.checkVisibility()`)
	page.Run(t, me("[part=button]")+`.click(); document.querySelector("#search").focus()`)
	page.Until(t, "so does leaving it, which keeps the focus", `!`+me("[role=dialog]")+`.checkVisibility() && document.activeElement.id === "search"`)

	page.Run(t, me("[part=button]")+`.click(); `+me(".actions [type=button]")+`.click()`)
	page.Until(t, "it is cleared", says+` === "My status: Front desk unavailable" && `+me("[role=status]")+`.textContent === "Your status is cleared." && !`+me("[role=dialog]")+`.checkVisibility()`)
	if got := o.byHand(t, boss); got != "nothing" {
		t.Errorf("cleared: %s", got)
	}

	page.Run(t, me("[part=button]")+`.click()`)
	o.proxy.Cut()
	page.Run(t, me("form")+`.requestSubmit()`)
	page.Until(t, "it says what does not work", me("[role=alert]")+`.checkVisibility() && `+me("[role=alert]")+`.textContent.startsWith("That did not work: ")`)
	if barriers := page.Barriers(t); barriers != "" {
		t.Errorf("failed: %s", barriers)
	}
	o.proxy.Restore()
	page.Run(t, me("form")+`.requestSubmit()`)
	page.Until(t, "it works again", `!`+me("[role=dialog]")+`.checkVisibility()`)
	if got := o.byHand(t, boss); got != "available|||0" {
		t.Errorf("set after the interruption: %s", got)
	}
	page.Click(t, "#sign-out")
	page.Until(t, "nobody is signed in", `!document.querySelector("#me").checkVisibility()`)
}

// TestPresenceMe: the element in a page of another server, in the page's language. Who is invisible has gone for others, until a time, and not for oneself.
func TestPresenceMe(t *testing.T) { inChromium(t, "", presenceMe) }

func presenceMe(t *testing.T, o *office) {
	alice, bob := "alice@example.test", "bob@example.test"
	o.put(t, alice, "available", "at my desk")
	page, watching := o.open(t, o.browser, alice), o.open(t, o.browser, bob)
	watching.Run(t, `presence.watch("alice@example.test", (user) => seen.push(user.status + "/" + user.message));`)
	page.Run(t, `
		client.configure({ token, language: "de", labels: { busy: "im Gespräch" } });
		globalThis.me = document.createElement("presence-me");
		document.querySelector("#people").append(me);
		globalThis.part = (selector) => me.shadowRoot.querySelector(selector);
		globalThis.says = () => part("[part=button]")?.innerText.replace(/\s+/g, " ");
	`)
	page.Until(t, "who it is", `says() === "Mein Status: alice@example.test verfügbar"`)
	page.Run(t, `part("[part=button]").click(); part("input[value=busy]").click(); part("input[type=checkbox]").click();`)
	page.Until(t, "who is invisible needs an end", `part("select").value === "today" && part("option[value=never]").disabled && part("#hint").checkVisibility()`)
	accessible(t, page, "open")
	page.Run(t, `part("form").requestSubmit();`)
	page.Until(t, "she sees it", `says().startsWith("Mein Status: alice@example.test im Gespräch, für andere unsichtbar, bis ")`)
	watching.Until(t, "others see that she has gone", `seen.join() === "available/at my desk,unavailable/"`)
	o.put(t, alice, "away", "out")
	page.Run(t, `part("[part=button]").click();`)
	page.Until(t, "the form tells it", `part("input[type=checkbox]").checked && part("select").value === "time"`)
	page.Run(t, `part(".actions [type=button]").click();`)
	watching.Until(t, "others see her again", `seen.join() === "available/at my desk,unavailable/,away/out"`)
	page.Run(t, `me.connection = null; me.remove();`)
	page.Until(t, "it is gone", `me.hidden && !document.querySelector("presence-me")`)
}
