package command

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/browsertest"
)

// TestBoardAsksForNoMore: a person's board asks for what the person may see alone, so no visit is refused anything: neither the browser's console
// nor the daemon tells of it. So it is after a token that has expired; and who is no service any more sees the groups.
func TestBoardAsksForNoMore(t *testing.T) {
	r := reloads(t, map[string]string{"identities": `[{user: alice@example.test, groups: [sales]}, {user: bob@example.test}]`})
	for _, user := range []string{alice, "bob@example.test"} {
		r.ask(t, clerk, "PUT", "/v1/users/"+user+"/manual", `{"status":"busy"}`)
	}
	browser := browsertest.Start(t, browsertest.Chromium)
	open := func(user string, made time.Time) *browsertest.Page {
		return browser.Open(t, r.url+"board#token="+url.QueryEscape(signed(testSecret, user, made)), browsertest.Desktop)
	}
	group := sections + ` === "sales 1 of 1 here: alice" && ` + isLive
	page := open(markd, time.Now())
	page.Until(t, "a person sees the groups", group)
	page.Run(t, `setTimeout(() => location.reload())`)
	page.Until(t, "and again", `performance.getEntriesByType("navigation")[0].type === "reload" && `+group)

	late := open(markd, time.Now().Add(-time.Hour))
	late.Expect("status of 401")
	late.Until(t, "an old token is refused", `document.activeElement.id === "token" && document.querySelector("#sign-in-fault").innerText.startsWith("Your token has expired.")`)
	late.Type(t, "#token", signed(testSecret, markd, time.Now())+browsertest.Enter)
	late.Until(t, "a new one shows the groups", group)
	service := open(clerk, time.Now())
	service.Until(t, "a service sees everybody", sections+` === "sales 1 of 1 here: alice; example.test 1 of 1 here: bob" && `+isLive)
	if _, metrics := r.daemon.ask("metrics"); !strings.Contains(metrics, `presence_http_refusals_total{reason="forbidden"} 0`) {
		t.Errorf("something was refused:\n%s", r.stderr.String())
	}

	service.Expect("status of 403")
	r.change(t, map[string]string{"auth.services": "[" + markd + "]"})
	service.Until(t, "who is no service any more sees the groups", group)
}
