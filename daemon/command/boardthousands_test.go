package command

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/browsertest"
)

// TestBoardThousands: ten thousand people are as easy to handle as one thousand: the page is as large, few of the rows are made, and nothing takes more
// than ten times as long. Both are measured in the same minute, and each time is the best of some, so it does not matter how fast the machine is.
func TestBoardThousands(t *testing.T) {
	inChromium(t, "spreed: {auto_unavailable: 1h}", boardThousands)
}

func boardThousands(t *testing.T, o *office) {
	const few, many = 1_000, 10_000
	page := o.browser.Open(t, o.url+"board", browsertest.Desktop)
	page.Run(t, measureBoard)
	o.putPeople(t, 0, few)
	reference := o.measure(t, page, "1,000 people")
	o.putPeople(t, few, many)
	measured := o.measure(t, page, "10,000 people")
	for what, took := range measured.Times {
		t.Logf("%s: %.0f ms, with a tenth of the people %.0f ms", what, took, reference.Times[what])
		if took > 10*reference.Times[what] {
			t.Errorf("%s takes %.0f ms, and with a tenth of the people %.0f ms", what, took, reference.Times[what])
		}
	}
	t.Logf("%d elements, %d rows were made; with a tenth of the people %d and %d", measured.Elements, measured.Rows, reference.Elements, reference.Rows)
	if measured.Elements > 2*reference.Elements || measured.Elements > 5000 || measured.Rows > many {
		t.Error("that is too much")
	}

	page.Run(t, `search(""); scrollTo(0, document.documentElement.scrollHeight / 2)`)
	page.Until(t, "the middle is shown", `[...document.querySelectorAll(".row")].some((row) => { const { top } = row.getBoundingClientRect(); return top > 200 && top < innerHeight })`)
	page.Run(t, `scrollTo(0, 0); document.querySelector("summary").focus()`)
	page.Press(t, browsertest.End)
	page.Until(t, "End goes to the last", `document.activeElement.querySelector(".name").textContent === "user9999" && document.activeElement.getBoundingClientRect().bottom <= innerHeight`)
	page.Press(t, browsertest.Home)
	page.Until(t, "Home goes to the first", `document.activeElement.querySelector(".name").textContent === "user0"`)
	page.Run(t, `search("99")`)
	page.Until(t, "the search has found", `document.querySelector("#shown").innerText === "280 of 10,000 people"`)
	page.Run(t, `search("")`)
	page.Until(t, "all are back", `document.querySelector("#shown").innerText === "10,000 people"`)
	if after := browsertest.Eval[int](t, page, `document.querySelectorAll("*").length`); after > 2*measured.Elements {
		t.Errorf("there were %d elements, and after scrolling there are %d", measured.Elements, after)
	}
}

// putPeople has people be known, from one number to another.
func (o *office) putPeople(t *testing.T, from, to int) {
	t.Helper()
	var entries []string
	for i := from; i < to; i++ {
		entries = append(entries, fmt.Sprintf(`{"user_id":"user%d@d%d.example.test","spreed":{"status":%q}}`, i, i%5, []string{"busy", "away", "available"}[i%3]))
	}
	o.putAll(t, strings.Join(entries, ","))
}

// boardWork is what the board does with some people.
type boardWork struct {
	Times    map[string]float64 // how long what takes at best, in milliseconds
	Elements int                // of the page that shows all people
	Rows     int                // that were made meanwhile
}

// measure measures a board with so many people, and leaves it signed in.
func (o *office) measure(t *testing.T, page *browsertest.Page, people string) boardWork {
	t.Helper()
	work := boardWork{Times: map[string]float64{}}
	note := func(what string, took float64) {
		if best, known := work.Times[what]; !known || took < best {
			work.Times[what] = took
		}
	}
	page.Run(t, `rows = 0`)
	for range 3 {
		note("to show everybody", browsertest.Eval[float64](t, page, fmt.Sprintf(`timeOf(() => signIn(%q, %q))`, agedToken(boss, 0), people)))
	}
	work.Elements = browsertest.Eval[int](t, page, `document.querySelectorAll("*").length`)
	for i := range 5 {
		note("a search", browsertest.Eval[float64](t, page, `timeOf(() => search("99"))`))
		note("to show all again", browsertest.Eval[float64](t, page, `timeOf(() => search(""))`))
		note("scrolling", browsertest.Eval[float64](t, page, `timeOf(() => scrollTo(0, document.documentElement.scrollHeight / 2))`))
		page.Run(t, `await timeOf(() => scrollTo(0, 0))`)
		began := time.Now()
		o.put(t, "user5@d0.example.test", "busy", fmt.Sprint("in meeting ", i))
		page.Until(t, "a change is shown", row("user5")+fmt.Sprintf(` === "busy|in meeting %d|spreed"`, i))
		note("a change", float64(time.Since(began).Milliseconds()))
	}
	work.Rows = browsertest.Eval[int](t, page, `rows`)
	return work
}

// measureBoard defines what measures the board: timeOf(act) is how many milliseconds something takes until it is drawn, rows how many rows were made.
const measureBoard = `
	globalThis.rows = 0;
	new MutationObserver((records) => { for (const { addedNodes } of records) for (const node of addedNodes) rows += node.classList?.contains("row") ?? 0 })
		.observe(document.querySelector("#groups"), { childList: true, subtree: true });
	const frame = () => new Promise((done) => requestAnimationFrame(done));
	const drawn = async () => { await frame(); await frame(); await new Promise((done) => setTimeout(done)) };
	globalThis.timeOf = async (act) => { await drawn(); const begin = performance.now(); await act(); await drawn(); return performance.now() - begin };
	globalThis.search = (text) => { const box = document.querySelector("#search"); box.value = text; box.dispatchEvent(new Event("input")) };
	globalThis.signIn = async (token, people) => {
		document.querySelector("#sign-out").click();
		while (document.querySelector(".row")) await frame();
		location.hash = "#token=" + token;
		while (document.querySelector("#shown").textContent !== people || document.querySelectorAll(".row").length <= 10) await frame();
	};
`
