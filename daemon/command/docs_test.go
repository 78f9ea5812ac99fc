package command

import (
	"os"
	"testing"

	"github.com/zarafa/presence/internal/browsertest"
)

// TestDocsPage: the page shows every operation and every document, each can be linked to, and it reads well (BOARD_PICTURES=DIRECTORY keeps
// pictures).
func TestDocsPage(t *testing.T) { inBrowsers(t, "", docsPage) }

func docsPage(t *testing.T, o *office) {
	dir := os.Getenv("BOARD_PICTURES")
	if dir == "" {
		dir = t.TempDir()
	}
	for _, look := range browsertest.Looks {
		t.Run(look.String(), func(t *testing.T) {
			page := o.browser.Open(t, o.url+"docs", look)
			page.Until(t, "it is shown", `document.querySelector("#schemas")`)
			o.inspect(t, page, dir, "docs-"+look.String())
			page.Run(t, `globalThis.api = await (await fetch("openapi.json")).json();`)
			if missing := browsertest.Eval[string](t, page, `[
				...Object.values(api.paths).flatMap((item) => ["get", "put", "post", "delete"].map((method) => item[method]?.operationId)).filter(Boolean).map((id) => id.toLowerCase().replaceAll("_", "-")),
				...Object.entries(api.components.schemas).filter(([, schema]) => schema.type === "object").map(([name]) => "schema-" + name.toLowerCase()),
			].filter((id) => !document.getElementById(id)).join()`); missing != "" {
				t.Errorf("the page lacks %s", missing)
			}
			if broken := browsertest.Eval[string](t, page, `[...document.querySelectorAll("a[href^='#']")].map((link) => link.hash.slice(1))
				.filter((id) => !document.getElementById(id)).join()`); broken != "" {
				t.Errorf("links lead nowhere: %s", broken)
			}
			page.Run(t, `location.hash = "#putpresence"`)
			page.Until(t, "a link opens what it leads to", `document.querySelector("#putpresence details").open && document.querySelector("#putpresence").innerText.includes("in a meeting")`)
			o.inspect(t, page, dir, "docs-put-"+look.String())
			page.Run(t, `document.querySelectorAll("details").forEach((details) => { details.open = true; })`)
			o.inspect(t, page, dir, "docs-open-"+look.String())
			accessible(t, page, "docs-open")
		})
	}
}
