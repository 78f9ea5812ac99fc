package command

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/browsertest"
	"github.com/zarafa/presence/internal/oidctest"
)

const alice = "alice@example.test"

// signedInBy is the configuration of a site with a provider.
func signedInBy(p *oidctest.Provider) string {
	return fmt.Sprintf("oidc: {issuer: %q, client_id: %s, service_role: %s}", p.Issuer, oidctest.ClientID, oidctest.ServiceRole)
}

// signIn has a person sign in with the provider, to which the page has gone.
func signIn(t *testing.T, page *browsertest.Page, user string) {
	t.Helper()
	page.Until(t, "the provider asks who it is", `location.pathname === "/login" && document.querySelector("#password") !== null`)
	page.Type(t, "#username", user)
	page.Type(t, "#password", oidctest.Password+browsertest.Enter)
}

const isLive = `document.querySelector("#connection")?.innerText === "Live"`

// TestSignInByProvider: a person signs in by a real OpenID provider. The token is renewed before its end, and the stream goes on; so it does after
// the provider has rotated its keys. Nothing is missed, nothing is kept, and who signs out is signed out.
func TestSignInByProvider(t *testing.T) {
	provider := oidctest.Start(t)
	provider.SetServices(alice)
	o := newOffice(t, signedInBy(provider), "PRESENCE_AUTH__CLOCK_SKEW=0s")
	o.browser = browsertest.Start(t, browsertest.Chromium)
	provider.SetRedirect(o.url + "board")
	provider.SetLifetime(10 * time.Second) // it is renewed after 7.5 seconds
	o.put(t, "bob@example.test", "busy", "0")
	page := o.browser.Open(t, o.url+"board", browsertest.Desktop)
	page.Expect("503 (Service Unavailable)") // Chromium logs that the daemon does not know a new key yet
	page.Until(t, "it offers the provider", `document.activeElement.id === "provider" && document.querySelector("#provider").innerText === "Sign in with " + `+
		fmt.Sprintf("%q", strings.TrimPrefix(provider.Issuer, "http://"))+` && document.querySelector("#by-token").hidden`)
	o.inspect(t, page, pictures(t), "sign-in-by-provider")
	small := o.browser.Open(t, o.url+"board", browsertest.Look{Width: 360, Height: 740, Scheme: "dark", Language: "de"})
	small.Until(t, "it is offered in German, too", `/^Mit .+ anmelden$/.test(document.querySelector("#provider").innerText)`)
	o.inspect(t, small, pictures(t), "sign-in-by-provider-360-dark")
	page.Press(t, browsertest.Enter)
	signIn(t, page, alice)
	page.Until(t, "the board is shown", row("bob")+` === "busy|0|spreed" && `+isLive+` && location.href === `+fmt.Sprintf("%q", o.url+"board"))

	page.Run(t, `globalThis.states = []; const sign = document.querySelector("#connection");
		new MutationObserver(() => states.push(sign.innerText + sign.title)).observe(sign, { childList: true, characterData: true, subtree: true });
		globalThis.seen = []; new MutationObserver(() => { const now = `+row("bob")+`; if (now && seen.at(-1) !== now) seen.push(now) })
			.observe(document.querySelector("#groups"), { childList: true, characterData: true, subtree: true })`)
	rotate := time.Now().Add(5 * time.Second)
	until := rotate.Add(14 * time.Second) // the first two tokens have ended by then
	n := 0
	for ; time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		if !rotate.IsZero() && time.Now().After(rotate) {
			provider.Rotate(t)
			rotate = time.Time{}
		}
		n++
		o.put(t, "bob@example.test", []string{"busy", "away"}[n%2], fmt.Sprint(n))
	}
	page.Until(t, "the last change is shown", row("bob")+fmt.Sprintf(` === "%s|%d|spreed"`, []string{"busy", "away"}[n%2], n))
	if renewed := provider.Refreshes(); renewed < 2 || renewed > 4 {
		t.Errorf("the token was renewed %d times in 19 seconds; each holds for 10", renewed)
	}
	if states := browsertest.Eval[[]string](t, page, `states.filter((state) => state !== "Live")`); len(states) > 0 {
		t.Errorf("the board was not live throughout: %v", states)
	}
	if missed := browsertest.Eval[int](t, page, fmt.Sprintf(`%d - seen.length`, n)); missed > 3 {
		t.Errorf("%d of %d changes were not shown", missed, n)
	}
	if kept := browsertest.Eval[string](t, page, `JSON.stringify({...sessionStorage, ...localStorage}) + document.cookie + location.href`); strings.Contains(kept, "ey") && strings.Contains(kept, ".ey") {
		t.Errorf("a token is kept: %s", kept)
	}

	provider.SetLifetime(4 * time.Second)
	page.Run(t, `setTimeout(() => location.reload())`)
	signIn(t, page, alice)
	page.Until(t, "the tab remembers that it was signed in, and how, and nothing else", row("bob")+` !== "" && `+isLive)
	provider.EndSession(t, alice)
	page.Expect("400 (Bad Request)") // what the provider says to a refresh token of no use
	page.Until(t, "when the provider has ended the session, so has the board", `document.querySelector("#people").hidden && document.activeElement.id === "provider" && `+
		`document.querySelector("#sign-in-fault").innerText.includes("does not sign you in")`)
	provider.SetLifetime(time.Minute)
	page.Press(t, browsertest.Enter)
	signIn(t, page, alice)
	page.Until(t, "and one can sign in again", row("bob")+` !== "" && `+isLive)

	page.Click(t, "#sign-out")
	page.Until(t, "signed out, here and there", `location.href === `+fmt.Sprintf("%q", o.url+"board")+` && document.activeElement.id === "provider" && document.querySelector("#people").hidden && sessionStorage.length === 0`)
	page.Run(t, `setTimeout(() => location.reload())`)
	page.Until(t, "it asks again", `performance.getEntriesByType("navigation")[0].type === "reload" && document.activeElement.id === "provider"`)
}

// TestTwoPeopleSignIn: two people sign in, each in a browser profile of their own, and each sees what the rules say, live.
func TestTwoPeopleSignIn(t *testing.T) {
	provider := oidctest.Start(t)
	o := newOffice(t, signedInBy(provider)+`
visibility:
  - {viewer: alice@example.test, user: "*", sees: all}
  - {viewer: bob@example.test, user: carlos@example.test, sees: status}
  - {viewer: service, user: "*", sees: all}
`)
	provider.SetRedirect(o.url + "board")
	pages := map[string]*browsertest.Page{}
	for _, user := range []string{alice, "bob@example.test"} {
		page := browsertest.Start(t, browsertest.Chromium).Open(t, o.url+"board", browsertest.Desktop)
		page.Click(t, "#provider")
		signIn(t, page, user)
		page.Type(t, "#users", "carlos@example.test dmitri@example.test")
		page.Click(t, "#naming button")
		page.Until(t, user+" is signed in", isLive+` && document.querySelectorAll(".row").length === 2`)
		pages[user] = page
	}
	for _, is := range []struct{ status, message string }{{"busy", "with the lawyers"}, {"away", "at the bank"}} {
		o.put(t, "carlos@example.test", is.status, is.message)
		o.put(t, "dmitri@example.test", is.status, is.message)
		pages[alice].Until(t, "alice sees all", fmt.Sprintf(`%s === %q && %s === %[2]q`, row("carlos"), is.status+"|"+is.message+"|spreed", row("dmitri")))
		pages["bob@example.test"].Until(t, "bob sees the status of one", fmt.Sprintf(`%s === %q`, row("carlos"), is.status+"||"))
		if other := browsertest.Eval[string](t, pages["bob@example.test"], row("dmitri")+` + document.body.innerHTML`); !strings.HasPrefix(other, "unavailable||\n") || strings.Contains(other, is.message) {
			t.Errorf("bob sees of dmitri: %.40s", other)
		}
	}
}
