package browsertest

import (
	_ "embed"
	"strings"
	"testing"
)

//go:embed testdata/axe-core/axe.min.js
var axe string

// findBarriers is an expression for what axe-core finds, a line each.
const findBarriers = `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"] })
	.then(({ violations }) => violations.flatMap(({ id, help, nodes }) =>
		nodes.slice(0, 5).map(({ html, any, all, none }) => [id, help, html, ...[...any, ...all, ...none].map(({ message }) => message)].join(" | "))).join("\n"))`

// Barriers returns what keeps some people from using the page as it is now, as far as axe-core can tell: violations of the Web Content
// Accessibility Guidelines 2.0, 2.1 and 2.2 on the levels A and AA, and of its own best practices. It is empty if there are none.
func (p *Page) Barriers(t testing.TB) string {
	t.Helper()
	if !Eval[bool](t, p, `"axe" in globalThis`) {
		p.Run(t, strings.TrimRight(axe, "\n"))
	}
	return Eval[string](t, p, findBarriers)
}
