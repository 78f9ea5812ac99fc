package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zarafa/presence/internal/browsertest"
)

// TestBoardGerman: who has a German browser reads German, and times as they are written there; nothing sticks out.
func TestBoardGerman(t *testing.T) { inChromium(t, offered, boardGerman) }

func boardGerman(t *testing.T, o *office) {
	o.put(t, "amara.okafor@example.test", "available", "hallo")
	o.set(t, "alice@example.test", "manual", `{"status":"busy","activity":"meeting","message":"Planung","until":"2099-12-24T12:30:00Z"}`)
	for _, width := range []int64{1280, 360} {
		page := o.browser.Open(t, o.board(boss), browsertest.Look{Width: width, Height: 860, Scheme: "light", Language: "de-AT"})
		page.Until(t, "everybody is shown", `document.querySelectorAll(".row").length === 2 && document.querySelector("#connection").innerText === "Aktuell"`)
		for expression, want := range map[string]string{
			`document.documentElement.lang`:                                            "de",
			`document.title + "/" + document.querySelector("h1").innerText`:            "Präsenz/Präsenz",
			`document.querySelector("#shown").innerText`:                               "2 Personen",
			`document.querySelector("h2 .count").innerText`:                            "2 von 2 da",
			`document.querySelector("#search").placeholder`:                            "Suchen",
			`document.querySelector("#filters [data-status=busy] .label").textContent`: "Beschäftigt",
			row("Alice Archer (alice)"):                                                "beschäftigt|Besprechung: Planung|manual",
			`[...document.querySelectorAll(".since")].at(0).textContent`:               "bis 24.12.2099, 12:30, dann nicht da",
			`document.querySelector(".since").title.replace(/seit .*(?=, dann)/, "x")`: "bis Donnerstag, 24. Dezember 2099 um 12:30:00, x, dann nicht da",
			me("[part=button]") + `.innerText.replace(/\s+/g, " ")`:                    "Mein Status: Front desk nicht da",
		} {
			if got := browsertest.Eval[string](t, page, expression); got != want {
				t.Errorf("%d wide: %s is %q, want %q", width, expression, got, want)
			}
		}
		page.Run(t, me("button")+`.click()`)
		o.inspect(t, page, pictures(t), fmt.Sprintf("german-%d", width))
	}
}

// TestBoardLanguages: every language has every text, with the same values in it and the plural forms that it needs, and every text that the pages ask for is there.
func TestBoardLanguages(t *testing.T) { inChromium(t, "", boardLanguages) }

func boardLanguages(t *testing.T, o *office) {
	page := o.browser.Open(t, o.url+"board", browsertest.Desktop)
	faults := browsertest.Eval[[]string](t, page, `(async () => {
		const faults = [];
		const { tables, texts } = await import("/assets/texts.js");
		const { languages, Texts } = await import("/client.js");
		const values = (text) => [...new Set(Object.values(typeof text === "object" ? text : { text }).flatMap((text) => text.match(/\{\w+\}/g) ?? []))].sort().join();
		const compare = (name, tables) => {
			for (const [language, table] of Object.entries(tables)) {
				for (const key of new Set([...Object.keys(tables.en), ...Object.keys(table)])) {
					if (!table[key] || !tables.en[key]) { faults.push(name + ": " + language + " or en lacks " + key); continue }
					if (values(table[key]) !== values(tables.en[key])) faults.push(name + ": " + language + " has other values in " + key);
					if (typeof table[key] !== typeof tables.en[key]) faults.push(name + ": " + key + " has plural forms in one language only");
					if (typeof table[key] !== "object") continue;
					const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
					if (forms.some((form) => !table[key][form])) faults.push(name + ": " + language + " lacks a plural form of " + key);
				}
			}
		};
		compare("client.js", languages);
		compare("the board", tables);
		if (Object.keys(languages).sort().join() !== Object.keys(tables).sort().join() || Object.keys(tables).length < 2) faults.push("the languages are " + Object.keys(tables));
		const sources = await Promise.all(["board", "assets/board.js", "assets/people.js", "assets/row.js"].map((path) => fetch("/" + path).then((answer) => answer.text())));
		const asked = sources.flatMap((text) => [...text.matchAll(/\bsay\("([\w ]+)"|data-(?:text|label|hint)="([\w ]+)"/g)].map(([, a, b]) => a ?? b));
		if (asked.length < 50) faults.push("only " + asked.length + " texts are asked for");
		for (const key of asked) if (!texts.has(key)) faults.push("there is no text " + key);
		for (const element of document.querySelectorAll("[data-text]")) if (!element.textContent) faults.push("nothing is in " + element.outerHTML);

		const is = (what, got, want) => { if (got !== want) faults.push(what + " is " + JSON.stringify(got) + ", want " + JSON.stringify(want)) };
		const of = (...wanted) => new Texts(tables, wanted);
		is("the first that there is", of("fr-FR", "de-CH", "en").locale, "de-CH");
		is("none that there is", of("fr-FR", "tlh").language, "en");
		is("no wish", of().locale, "en");
		is("one", of("en-GB").say("peopleCount", { count: 1 }), "1 person");
		is("many", of("de").say("peopleCount", { count: 1234 }), "1.234 Personen");
		is("a value that looks like one", of("en").say("since", { time: "{time} $& {x}" }), "since {time} $& {x}");
		is("an hour", of("en").duration(3600), "1 hr");
		is("ninety minutes", of("de").duration(5400), "90 Min.");
		is("two days", of("de").duration(172800), "2 Tg.");
		is("ten seconds", of("en").duration(10), "10 sec");
		const ago = (minutes) => new Date(Date.now() - minutes * 60_000 - 1000).toISOString();
		is("now", of("de").ago(ago(0)), "jetzt");
		is("minutes", of("en").ago(ago(59)), "59 min");
		is("hours", of("en").ago(ago(23 * 60 + 59)), "23 hr");
		is("days", of("en").ago(ago(6 * 24 * 60)), "6 days");
		is("long ago", of("de").ago("2020-02-03T12:00:00Z"), "03.02.2020");
		return faults;
	})()`)
	if len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
}
