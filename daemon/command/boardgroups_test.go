package command

import (
	"net/url"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/browsertest"
)

// sections is a JavaScript expression for what the board shows: each section with its people.
const sections = `[...document.querySelectorAll("#groups > section")].map((section) =>
	section.querySelector("h2").textContent + ": " + [...section.querySelectorAll(".name")].map((name) => name.textContent).join(" ")).join("; ")`

// TestBoardGroups: people are shown by groups, those in none by domain; who may not watch everybody sees the groups; and groups that change are followed.
func TestBoardGroups(t *testing.T) {
	r := reloads(t, map[string]string{"identities": `[{user: alice@example.test, groups: [sales, Help desk]}, {user: bob@example.test, groups: [Help desk]},
  {user: zoe@example.test, display_name: Zoe, groups: [sales]}]`})
	for _, user := range []string{"alice@example.test", "bob@example.test", markd} {
		r.ask(t, clerk, "PUT", "/v1/users/"+user+"/manual", `{"status":"busy"}`)
	}
	browser := browsertest.Start(t, browsertest.Chromium)
	everybody := browser.Open(t, r.board(clerk), browsertest.Desktop)
	everybody.Until(t, "the groups are shown, then the domains", sections+` === "Help desk 2 of 2 here: alice bob; sales 1 of 1 here: alice; zarafa.com 1 of 1 here: markd"`)
	everybody.Until(t, "everybody counts once", `document.querySelector("#shown").innerText === "3 people"`)

	person := browser.Open(t, r.url+"board#token="+url.QueryEscape(signed(testSecret, markd, time.Now())), browsertest.Desktop)
	person.Until(t, "who is no service sees the groups, and who is in them without being known", sections+` === "Help desk 2 of 2 here: alice bob; sales 1 of 2 here: alice Zoe"`)
	person.Until(t, "and who that is", me("[part=button]")+`.innerText.replace(/\s+/g, " ") === "My status: markd@zarafa.com busy"`)
	person.Click(t, "#rename")
	person.Type(t, "#users", "bob@example.test"+browsertest.Tab+browsertest.Enter)
	person.Until(t, "a list can be named instead", sections+` === "Help desk 1 of 1 here: bob"`)
	person.Run(t, `setTimeout(() => location.reload())`)
	person.Until(t, "and holds for the tab", `performance.getEntriesByType("navigation")[0].type === "reload" && `+sections+` === "Help desk 1 of 1 here: bob"`)
	person.Click(t, "#rename")
	person.Until(t, "it says why it asks", `document.querySelector("#naming-why").innerText.startsWith("markd@zarafa.com may not watch everybody")`)
	person.Click(t, "#show-groups")
	person.Until(t, "and the groups are back", sections+` === "Help desk 2 of 2 here: alice bob; sales 1 of 2 here: alice Zoe"`)

	r.change(t, map[string]string{"identities": `[{user: alice@example.test, display_name: Zora, groups: [sales]}, {user: ` + markd + `, groups: [sales]}]`})
	everybody.Until(t, "others are in a group, which are in the order of names", sections+` === "sales 2 of 2 here: markd Zora (alice); example.test 1 of 1 here: bob"`)
	person.Until(t, "for everybody", sections+` === "sales 2 of 2 here: markd Zora (alice)"`)
}
