package command

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/zarafa/presence/internal/browsertest"
)

// TestBoardAddressWithPassword: the board, and a page with client.js, work when they are opened by an address with a name and a password in it. A browser
// sends no request to such an address that a script makes.
func TestBoardAddressWithPassword(t *testing.T) { inBrowsers(t, "", boardAddressWithPassword) }

func boardAddressWithPassword(t *testing.T, o *office) {
	o.put(t, alice, "busy", "in a meeting")
	site := httptest.NewServer(o.inFront(t))
	t.Cleanup(site.Close)
	base := strings.Replace(site.URL, "http://", "http://somebody:secret@", 1)
	shown := row("alice") + ` === "busy|in a meeting|spreed" && ` + isLive

	page := o.browser.Open(t, base+"/board", browsertest.Desktop)
	page.Until(t, "it could ask how to sign in", `document.activeElement.id === "token" && document.querySelector("#sign-in-fault").hidden`)
	page.Type(t, "#token", agedToken(boss, 0)+browsertest.Enter)
	page.Until(t, "a token shows alice", shown)
	page.Until(t, "and who that is", me("[part=button]")+`.innerText.includes(`+fmt.Sprintf("%q", boss)+`)`)

	printed := command(nil, "board", "--config", o.file, "--url", base)
	page.Navigate(t, "about:blank", strings.TrimSpace(printed.stdout))
	page.Until(t, "so does a link with a code", shown)
	page.Click(t, "#sign-out")
	page.Navigate(t, "about:blank", base+"/board#token-url="+url.QueryEscape("token?user="+boss))
	page.Until(t, "and an address of tokens", shown)

	page.Navigate(t, base+"/docs")
	page.Until(t, "the documentation is shown", `document.querySelector("#schemas")`)
	page.Run(t, `globalThis.states = [];
		const { connect } = await import("/client.js");
		for (const url of [undefined, "./", location.origin, document.URL.replace("/docs", "/")]) {
			const user = await connect({ token: `+fmt.Sprintf("%q", agedToken(boss, 0))+`, url }).me();
			states.push(user.user);
		}`)
	if got := browsertest.Eval[string](t, page, `states.join()`); got != strings.Repeat(","+boss, 4)[1:] {
		t.Errorf("client.js was told: %s", got)
	}
}
