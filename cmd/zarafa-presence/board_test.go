package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/zarafa/presence/internal/browsertest"
	"github.com/zarafa/presence/internal/xmpptest"
)

// board is the address of the board with a token in it, as a link would have it.
func (d *daemon) board(user string) string {
	return d.url + "board#token=" + url.QueryEscape(agedToken(user, 0))
}

// row is a JavaScript expression for the row of a person on the board: its status, message and protocol.
func row(account string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".row")].filter((row) => row.querySelector(".name").textContent === %q)
		.map((row) => [".status", ".message", ".by"].map((part) => row.querySelector(part).textContent).join("|")).join()`, account)
}

// TestBoard: real people on a real XMPP server come, change and go, and the board shows each change within a second.
func TestBoard(t *testing.T) {
	s := newSite(t, xmpptest.Prosody)
	page := browsertest.Start(t).Open(t, s.board("intranet@example.test"), browsertest.Desktop)
	page.Until(t, "everybody is shown", `document.querySelectorAll(".row").length === 4`)
	page.Until(t, "alice is not there", row("alice")+` === "unavailable||xmpp"`)
	if address := browsertest.Eval[string](t, page, "location.href"); address != s.url+"board" {
		t.Errorf("the address is %s: a token is not to stay in it", address)
	}
	phone := s.server.Login(t, "alice", "phone")
	page.Until(t, "alice is there", row("alice")+` === "available||xmpp"`)
	var slowest time.Duration
	for i := range 10 {
		message := fmt.Sprint("in meeting ", i)
		phone.Show([]string{"dnd", "away"}[i%2], message)
		took := page.Until(t, "the change is shown", row("alice")+fmt.Sprintf(` === "%s|%s|xmpp"`, []string{"busy", "away"}[i%2], message))
		slowest = max(slowest, took)
	}
	if slowest > time.Second {
		t.Errorf("a change was shown only after %v", slowest)
	}
	t.Logf("the slowest of 10 changes was shown after %v", slowest)

	s.put("intranet@example.test", "alice", "busy", "presenting <b>now</b>")
	page.Until(t, "the strongest counts, and its message is text", row("alice")+` === "busy|presenting <b>now</b>|spreed"`)
	page.Run(t, `document.querySelector("#search").focus()`)
	page.Type(t, "#search", "ALI")
	page.Until(t, "she is found", `document.querySelectorAll(".row").length === 1 && document.querySelector("#shown").textContent === "1 of 4 people"`)
	page.Press(t, kb.ArrowDown+kb.Enter)
	page.Until(t, "all her protocols are shown", `document.querySelector(".detail").innerText.replace(/\s+/g, " ").includes("Spreed decides: busy takes precedence.") &&
		document.querySelectorAll(".detail li").length === 2`)
	phone.Show("", "back at my desk")
	page.Until(t, "and follow", `document.querySelector(".detail").innerText.includes("back at my desk")`)
	page.Press(t, kb.ArrowUp+kb.Escape)
	page.Until(t, "Escape ends the search", `document.querySelectorAll(".row").length === 4`)
	page.Click(t, `#filters [data-status="busy"]`)
	page.Until(t, "the filter leaves one", `document.querySelectorAll(".row").length === 1 && `+row("alice"))
	phone.Leave("")
	s.put("intranet@example.test", "alice", "unavailable", "")
	page.Until(t, "who is no longer busy is gone", `document.querySelectorAll(".row").length === 0 && document.querySelector("#nobody").innerText.includes("Nobody matches.")`)
	page.Click(t, "#nobody button")
	page.Until(t, "everybody is back", `document.querySelectorAll(".row").length === 4`)
}

// colleagues are made up, for pictures.
var colleagues = []struct{ user, status, message string }{
	{"alice@example.test", "available", ""},
	{"amara.okafor@example.test", "busy", "on the phone with a customer"},
	{"bob@example.test", "away", "lunch"},
	{"carlos@example.test", "unavailable", ""},
	{"chiara.lombardi@example.test", "available", "working from home today; call the mobile if it is urgent, else write"},
	{"dmitri@example.test", "busy", "deep work until 15:00"},
	{"erin@example.test", "unavailable", ""},
	{"fatima.alzahra@example.test", "available", "feeling chatty.."},
	{"göran.åkesson@example.test", "away", "på lunch ☕"},
	{"hannah@example.test", "available", ""},
	{"ines@support.example.test", "busy", "ticket 4711"},
	{"jonas@support.example.test", "available", "second level"},
	{"kenji.watanabe@support.example.test", "unavailable", ""},
	{"markd@zarafa.com", "available", "feeling chatty.."},
}

// TestBoardPictures takes pictures of the board, for people to look at (BOARD_PICTURES=DIRECTORY keeps them), and checks what a program can see: nothing sticks out,
// and every text can be read.
func TestBoardPictures(t *testing.T) {
	o := newOffice(t, "")
	var entries []string
	for _, c := range colleagues {
		entries = append(entries, fmt.Sprintf(`{"user_id":%q,"spreed":{"status":%q,"message":%q}}`, c.user, c.status, c.message))
	}
	o.putAll(t, strings.Join(entries, ","))
	dir := os.Getenv("BOARD_PICTURES")
	if dir == "" {
		dir = t.TempDir()
	}
	for _, look := range []browsertest.Look{browsertest.Desktop, browsertest.Desktop.InTheDark(), browsertest.Phone, browsertest.Phone.InTheDark()} {
		t.Run(look.String(), func(t *testing.T) {
			page := o.browser.Open(t, o.url+"board", look)
			page.Until(t, "it asks for a token", `!document.querySelector("#sign-in").hidden`)
			o.inspect(t, page, dir, "sign-in-"+look.String())
			page.Visit(t, "about:blank")
			page.Visit(t, o.board(boss))
			page.Until(t, "everybody is shown", fmt.Sprintf(`document.querySelectorAll(".row").length === %d`, len(colleagues)))
			page.Run(t, `document.querySelectorAll("summary")[1].focus(); document.querySelectorAll("details")[1].open = true;`)
			page.Until(t, "the details are shown", `document.querySelector(".detail li")`)
			o.inspect(t, page, dir, "board-"+look.String())
		})
	}
}

// inspect checks a page and takes its picture.
func (o *office) inspect(t *testing.T, page *browsertest.Page, dir, name string) {
	t.Helper()
	page.Run(t, `await Promise.all(document.getAnimations().map((animation) => animation.finished)); await document.fonts.ready;`)
	page.Screenshot(t, dir, name, false)
	if faults := browsertest.Eval[string](t, page, faultsOfPage); faults != "" {
		t.Errorf("%s:\n%s", name, faults)
	}
}

// faultsOfPage looks for what sticks out of the page, controls without a name, and text with a contrast below 4.5 (WCAG 2.2, 1.4.3).
const faultsOfPage = `(() => {
	const faults = [];
	if (document.documentElement.scrollWidth > innerWidth) faults.push("the page is " + document.documentElement.scrollWidth + " wide, the window " + innerWidth);
	const visible = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !element.closest(".hidden");
	const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
	const rgb = (color) => { context.clearRect(0, 0, 1, 1); context.fillStyle = color; context.fillRect(0, 0, 1, 1); const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data; return { r, g, b, a } };
	const luminance = ({ r, g, b }) => { const [x, y, z] = [r, g, b].map((c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4 }); return 0.2126 * x + 0.7152 * y + 0.0722 * z };
	const ground = (element) => { for (; element; element = element.parentElement) { const color = rgb(getComputedStyle(element).backgroundColor); if (color.a === 255) return color } return { r: 255, g: 255, b: 255 } };
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const element = walker.currentNode.parentElement;
		if (!walker.currentNode.textContent.trim() || !visible(element) || element.closest("script, noscript")) continue;
		const [a, b] = [luminance(rgb(getComputedStyle(element).color)), luminance(ground(element))].sort((x, y) => y - x);
		const contrast = (a + 0.05) / (b + 0.05);
		if (contrast < 4.5) faults.push(JSON.stringify(walker.currentNode.textContent.trim()) + " has a contrast of " + contrast.toFixed(2));
	}
	for (const control of document.querySelectorAll("input, textarea, button")) {
		if (visible(control) && !control.textContent.trim() && !control.labels?.length && !control.getAttribute("aria-label")) faults.push("a control has no name: " + control.outerHTML);
	}
	return faults.join("\n");
})()`
