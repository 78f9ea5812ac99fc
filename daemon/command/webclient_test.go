package command

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/browsertest"
)

// TestWebClientReports: somebody works in one page, is seen in another, and is gone when the page is.
func TestWebClientReports(t *testing.T) {
	inBrowsers(t, "spreed: {auto_unavailable: 6s}", webClientReports)
}

func webClientReports(t *testing.T, o *office) {
	alice, bob := "alice@example.test", "bob@example.test"
	watching := o.open(t, o.browser, bob)
	watching.Run(t, `
		client.configure({ token });
		const dot = document.createElement("presence-dot");
		dot.setAttribute("user", "Alice@Example.test"); // in whatever case
		document.querySelector("#people").append(dot);
		globalThis.dot = dot;
		globalThis.looks = () => { const inner = dot.shadowRoot.firstElementChild; return [dot.getAttribute("status"), inner.title, dot.shadowRoot.querySelector("[role=img]").getAttribute("aria-label"), getComputedStyle(inner).backgroundColor].join("|") };
		presence.watch("alice@example.test", (user) => seen.push(user.status + "/" + (user.by ?? "-") + "/" + user.message));
	`)
	watching.Until(t, "nobody knows alice", `seen.join() === "unavailable/-/" && dot.getAttribute("status") === "unavailable"`)

	working := o.open(t, o.browser, alice)
	working.Run(t, `globalThis.me = presence.report("available", { message: "at my desk", linger: 1000 });`)
	watching.Until(t, "alice is seen", `seen.at(-1) === "available/spreed/at my desk"`)
	watching.Until(t, "her dot is green", `looks() === "available|available: at my desk|Alice@Example.test: available: at my desk|rgb(45, 164, 78)"`)
	working.Run(t, `me.set("busy", "in a meeting");`)
	watching.Until(t, "her dot is red", `looks() === "busy|busy: in a meeting|Alice@Example.test: busy: in a meeting|rgb(209, 36, 47)"`)

	// For longer than the daemon remembers without a heartbeat, which the client has learnt by itself.
	time.Sleep(8 * time.Second)
	if seen := browsertest.Eval[string](t, watching, "seen.join()"); seen != "unavailable/-/,available/spreed/at my desk,busy/spreed/in a meeting" {
		t.Errorf("in between she was seen as %s", seen)
	}

	working.Close()
	if took := watching.Until(t, "alice is gone", `seen.at(-1) === "unavailable/spreed/"`); took > 3*time.Second {
		t.Errorf("it took %v until the closed page's user was unavailable: by expiry, not by the page's last word", took)
	}
	watching.Until(t, "her dot is grey", `dot.getAttribute("status") === "unavailable"`)
}

// TestWebClientLeaves: going to another page is leaving, going back is coming back, and stop is the end of it.
func TestWebClientLeaves(t *testing.T) { inChromium(t, "", webClientLeaves) }

func webClientLeaves(t *testing.T, o *office) {
	alice := "alice@example.test"
	watching, working := o.open(t, o.browser, boss), o.open(t, o.browser, alice)
	watching.Run(t, `presence.watch("alice@example.test", (user) => seen.push(user.status));`)
	watching.Until(t, "the watch has begun", `presence.state.name === "live"`)
	working.Run(t, `globalThis.me = presence.report("available", { linger: 0 });`)
	watching.Until(t, "alice is there", `seen.at(-1) === "available"`)
	working.Navigate(t, "about:blank")
	watching.Until(t, "alice has left the page", `seen.at(-1) === "unavailable"`)
	working.Run(t, `setTimeout(() => history.back())`)
	working.Until(t, "the page is back", "globalThis.seen")
	working.Run(t, `if (!globalThis.me) globalThis.me = presence.report("available", { linger: 0 });`) // unless the browser has kept the page as it was
	watching.Until(t, "alice is back", `seen.at(-1) === "available"`)

	// A second page of hers: when it is closed, the first one says at once that she is still there.
	second := o.open(t, o.browser, alice)
	second.Run(t, `globalThis.me = presence.report("available", { linger: 0 }); await new Promise((done) => setTimeout(done, 500));`)
	watching.Run(t, `seen.length = 0;`)
	second.Close()
	if took := watching.Until(t, "alice is there again", `seen.join() === "unavailable,available"`); took > 3*time.Second {
		t.Errorf("it took %v until alice was there again", took)
	}

	working.Run(t, `await me.stop(); await me.stop();`)
	watching.Until(t, "alice has stopped", `seen.at(-1) === "unavailable"`)
}

// TestWebClientReloads: who loads the page anew, or closes one of two, is not seen to leave; who closes the last one is, after a few seconds.
func TestWebClientReloads(t *testing.T) { inBrowsers(t, "", webClientReloads) }

func webClientReloads(t *testing.T, o *office) {
	alice := "alice@example.test"
	watching, working := o.open(t, o.browser, boss), o.open(t, o.browser, alice)
	const work = `globalThis.me = presence.report("available", { message: "here" });`
	watching.Run(t, `presence.watch("alice@example.test", (user) => seen.push(user.status + "/" + user.message));`)
	working.Run(t, work)
	watching.Until(t, "alice is there", `seen.at(-1) === "available/here"`)
	watching.Run(t, `seen.length = 0;`)
	for range 3 {
		working.Run(t, `globalThis.old = true; setTimeout(() => location.reload())`)
		working.Until(t, "the page is loaded anew", `globalThis.seen && !globalThis.old`)
		time.Sleep(time.Second)
		working.Run(t, work)
	}
	second := o.open(t, o.browser, alice)
	second.Run(t, work+` await new Promise((done) => setTimeout(done, 500));`)
	second.Close()
	time.Sleep(7 * time.Second)
	if seen := browsertest.Eval[string](t, watching, `seen.filter((is) => is !== "available/here").join()`); seen != "" {
		t.Errorf("she was seen as %s", seen)
	}
	working.Close()
	if took := watching.Until(t, "alice is gone", `seen.at(-1) === "unavailable/"`); took < 3*time.Second || took > 7*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestWebClientBrowserCloses: who closes the whole browser is soon unavailable. Firefox may end before it has sent what a page says then, when the machine is
// busy: one of three tries is enough.
func TestWebClientBrowserCloses(t *testing.T) {
	inBrowsers(t, "spreed: {auto_unavailable: 60s}", webClientBrowserCloses)
}

func webClientBrowserCloses(t *testing.T, o *office) {
	for try := range 3 {
		user := fmt.Sprintf("user%d@example.test", try)
		page := o.open(t, o.browser, user)
		page.Run(t, `globalThis.me = presence.report("available", { message: "here", linger: 1000 });`)
		is := func(status string) bool {
			_, body := v1(t, o.url, http.MethodGet, "users/"+user, "")
			return strings.Contains(body, `"status":"`+status+`"`)
		}
		eventually(t, user+" is available", func() bool { return is("available") })
		o.browser.Close()
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if is("unavailable") {
				return
			}
		}
		t.Logf("try %d: %s is not unavailable", try, user)
		o.browser = browsertest.Start(t, o.browser.Kind)
	}
	t.Error("the pages' last words have not come")
}

// TestWebClientBack: a page that watches and reports is kept by the browser when it is left, and goes on when the user goes back to it. One that stays after
// all goes on, too.
func TestWebClientBack(t *testing.T) { inBrowsers(t, "", webClientBack) }

func webClientBack(t *testing.T, o *office) {
	page := o.open(t, o.browser, boss)
	page.Expect("favicon.ico") // Firefox asks for it when it goes back, although the page names another
	page.Run(t, `
		globalThis.kept = false;
		addEventListener("pageshow", (event) => { kept = event.persisted });
		presence.watch("alice@example.test", (user) => seen.push(user.message));
		globalThis.me = presence.report("available");
	`)
	page.Until(t, "the watch has begun", `presence.state.name === "live"`)
	o.put(t, "alice@example.test", "busy", "one")
	page.Until(t, "a change", `seen.at(-1) === "one"`)
	page.Run(t, `dispatchEvent(new Event("beforeunload"));`)
	o.put(t, "alice@example.test", "busy", "two")
	page.Until(t, "it has stayed, and goes on", `seen.at(-1) === "two"`)
	page.Navigate(t, o.url+"docs")
	o.put(t, "alice@example.test", "busy", "three")
	page.Run(t, `setTimeout(() => history.back())`)
	page.Until(t, "the page is back as it was", "globalThis.kept")
	page.Until(t, "nothing is missed", `seen.at(-1) === "three" && seen.includes("one")`)
	if status, body := v1(t, o.url, http.MethodGet, "users/"+boss, ""); status != http.StatusOK || !strings.Contains(body, `"status":"available"`) {
		t.Errorf("the user of the page is %s", body)
	}
}

// TestWebClientDevices: a user works on two computers. To leave one is not to leave the other, and their heartbeats change nothing.
func TestWebClientDevices(t *testing.T) {
	inBrowsers(t, "spreed: {auto_unavailable: 9s}", webClientDevices)
}

func webClientDevices(t *testing.T, o *office) {
	alice := "alice@example.test"
	watching, desk, laptop := o.open(t, o.browser, boss), o.open(t, o.browser, alice), o.open(t, browsertest.Start(t, o.browser.Kind), alice)
	watching.Run(t, `presence.watch("alice@example.test", (user) => seen.push(user.status + "/" + user.message));`)
	desk.Run(t, `globalThis.me = presence.report("available", { message: "at my desk" });`)
	watching.Until(t, "alice is at her desk", `seen.at(-1) === "available/at my desk"`)
	laptop.Run(t, `globalThis.me = presence.report("busy", { message: "presenting" });`)
	watching.Until(t, "busy is stronger", `seen.at(-1) === "busy/presenting"`)
	watching.Run(t, `seen.length = 0;`)
	time.Sleep(8 * time.Second)
	if seen := browsertest.Eval[string](t, watching, `seen.join()`); seen != "" {
		t.Errorf("heartbeats are told as changes: %s", seen)
	}
	laptop.Close()
	watching.Until(t, "what the desk says counts", `seen.at(-1) === "available/at my desk"`)
	time.Sleep(5 * time.Second)
	if seen := browsertest.Eval[string](t, watching, `seen.filter((is) => is.startsWith("unavailable")).join()`); seen != "" {
		t.Errorf("she was seen as %s", seen)
	}
	desk.Run(t, `await me.stop();`)
	watching.Until(t, "alice is gone", `seen.at(-1).startsWith("unavailable")`)
	desk.Run(t, `await presence.clear({ protocol: "spreed" }); globalThis.left = await presence.get(user);`)
	if reason := browsertest.Eval[string](t, desk, `left.reason`); reason != "unknown" {
		t.Errorf("after clear something is left: %s", reason)
	}
}

// TestWebClientIdle: who does not touch the page is away, until touching it.
func TestWebClientIdle(t *testing.T) { inChromium(t, "", webClientIdle) }

func webClientIdle(t *testing.T, o *office) {
	page := o.open(t, o.browser, "alice@example.test")
	page.Run(t, `
		presence.watch(user, (user) => { seen.push(user.status); globalThis.last = user; });
		globalThis.me = presence.report("available", { idle: 1500 });
	`)
	page.Until(t, "idle is away", `seen.join().endsWith("available,away") && me.status === "away" && Date.now() - Date.parse(last.idle_since) < 60_000`)
	page.Press(t, "x")
	page.Until(t, "a key is not", `seen.join().endsWith("available,away,available") && last.idle_since === null`)
	page.Run(t, `me.set("busy");`)
	time.Sleep(2 * time.Second)
	page.Until(t, "who is busy is not away", `seen.join().endsWith("available,busy")`)
}

// TestWebClientSets: the other requests, and what goes wrong with them.
func TestWebClientSets(t *testing.T) { inChromium(t, "", webClientSets) }

func webClientSets(t *testing.T, o *office) {
	alice := "alice@example.test"
	page := o.open(t, o.browser, alice)
	page.Expect("status of 403", "status of 422")
	page.Run(t, `
		await presence.set("busy", { message: "until three", ttl: 3600 });
		globalThis.first = await presence.get("Alice@example.test");
		globalThis.both = await presence.get(["bob@example.test", user]);
		await presence.set("away", { until: new Date(Date.now() + 60_000) });
		globalThis.second = await presence.get(user);
		await presence.clear();
		await presence.clear();
		globalThis.third = await presence.get(user);
		globalThis.faults = [];
		for (const attempt of [
			() => presence.set("busy", { user: "bob@example.test" }),
			() => presence.set("lunch"),
			() => presence.watch("alice", () => {}),
			() => presence.watch(["alice@example.test", "a b@example.test"], () => {}),
			() => client.connect({}),
		]) {
			try { await attempt(); faults.push("none") } catch (fault) { faults.push(fault.name + " " + (fault.status ?? "") + " " + (fault.errors?.[0]?.detail ?? fault.message)) }
		}
	`)
	for expression, want := range map[string]string{
		`[first.user, first.status, first.message, first.by, first.reason, Math.round((Date.parse(first.protocols.manual.expires) - Date.now()) / 60_000)].join("|")`: "Alice@example.test|busy|until three|manual|only|60",
		`both.map((user) => user.user + " " + user.status).join("|")`: "bob@example.test unavailable|alice@example.test busy",
		`[second.status, second.message].join("|")`:                   "away|",
		`[third.status, third.by, third.reason].join("|")`:            "unavailable||unknown",
	} {
		if got := browsertest.Eval[string](t, page, expression); got != want {
			t.Errorf("%s is %q, want %q", expression, got, want)
		}
	}
	for i, want := range []string{"PresenceError 403", "PresenceError 422", "TypeError  \"alice\" is no user", "TypeError  \"a b@example.test\" is no user", "TypeError  connect needs a token"} {
		if got := browsertest.Eval[string](t, page, fmt.Sprintf("faults[%d]", i)); !strings.HasPrefix(got, want) {
			t.Errorf("fault %d is %q, want %q", i, got, want)
		}
	}
}

// TestWebClientNetwork: the network is cut again and again while people change; nothing is missed, nothing comes twice or in the wrong order.
func TestWebClientNetwork(t *testing.T) { inChromium(t, "", webClientNetwork) }

func webClientNetwork(t *testing.T, o *office) {
	page := o.open(t, o.browser, boss)
	page.Expect("net::ERR_")
	page.Run(t, `
		globalThis.faults = [];
		globalThis.watchers = [new Map(), new Map(), new Map()];
		const note = (map, all) => (user) => {
			const before = map.get(user.user);
			if (before && before.revision >= user.revision) faults.push("after " + before.revision + " came " + user.revision);
			map.set(user.user, user);
		};
		const names = Array.from({ length: 20 }, (_, i) => "user" + i + "@example.test");
		presence.watch(names, note(watchers[0]));
		presence.watch(names.slice(0, 5), note(watchers[1])); // goes through the same stream
		presence.watchAll(note(watchers[2]));
		globalThis.resumed = []; // with which id each stream began
		const send = globalThis.fetch;
		globalThis.fetch = (url, options) => {
			if (String(url).endsWith("/v1/events")) resumed.push(options.headers["Last-Event-ID"] ?? "");
			return send(url, options);
		};
	`)
	page.Until(t, "all are told", `presence.state.name === "live"`)
	number := 0
	change := func(changes int) {
		for range changes {
			number++
			o.put(t, fmt.Sprintf("user%d@example.test", number%20), []string{"busy", "away", "available"}[number%3], fmt.Sprint("number ", number))
		}
	}
	for round := range 3 {
		change(30)
		o.proxy.Cut()
		change(30)
		page.Until(t, "the page knows that it is cut off", `presence.state.name === "waiting" && presence.state.error`)
		change(5 * round) // so that one round has nothing new afterwards
		o.proxy.Restore()
		page.Until(t, "it is connected again", `presence.state.name === "live"`)
	}
	change(20)
	last := fmt.Sprintf(`watchers.every((map) => !map.has("user%[1]d@example.test") || map.get("user%[1]d@example.test").message === "number %[2]d")`, number%20, number)
	page.Until(t, "the last change is there", last)
	page.Run(t, `
		for (const map of watchers) {
			for (const user of await presence.get([...map.keys()])) {
				const held = map.get(user.user);
				if (held.message !== user.message || held.status !== user.status) faults.push(user.user + " is held as " + held.message + " and is " + user.message);
			}
		}
	`)
	if faults := browsertest.Eval[string](t, page, `faults.join("\n")`); faults != "" {
		t.Error(faults)
	}
	if sizes := browsertest.Eval[string](t, page, `watchers.map((map) => map.size).join()`); sizes != "20,5,20" {
		t.Errorf("known are %s users", sizes)
	}
	if from := browsertest.Eval[[]string](t, page, `resumed`); len(from) < 8 || from[0] != "" || from[1] != "" || slices.Contains(from[2:], "") {
		t.Errorf("the streams began from %q: only the first of each has nothing to go on from", from)
	}
	if streams := browsertest.Eval[int](t, page, `performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("v1/events")).length`); streams < 6 {
		t.Errorf("only %d streams have ended: what was cut?", streams)
	}
}

// TestWebClientPauses: however long an outage takes, the next try is at most 30 seconds away, and retry makes it now.
func TestWebClientPauses(t *testing.T) { inChromium(t, "", webClientPauses) }

func webClientPauses(t *testing.T, o *office) {
	page := o.open(t, o.browser, boss)
	page.Expect("net::ERR_")
	page.Run(t, `
		globalThis.pauses = [];
		presence.addEventListener("state", () => { if (presence.state.name === "waiting") pauses.push(presence.state.retryAt - Date.now()) });
		presence.watch("alice@example.test", (user) => seen.push(user.message));
	`)
	page.Until(t, "the watch has begun", `presence.state.name === "live"`)
	o.proxy.Cut()
	page.Until(t, "it is cut off", `presence.state.name === "waiting"`)
	page.Run(t, `
		const wait = setTimeout;
		globalThis.setTimeout = (f, after) => wait(f, Math.min(after, 20));
		globalThis.setTimeout.wait = wait;
		presence.token = token; // which tries at once
	`)
	page.Until(t, "it has tried often", `pauses.length > 12`)
	if longest := browsertest.Eval[float64](t, page, `Math.max(...pauses)`); longest > 30_000 || longest < 20_000 {
		t.Errorf("the longest pause is %v ms", longest)
	}
	page.Run(t, `const { wait } = globalThis.setTimeout; globalThis.setTimeout = (f, after) => wait(f, after);`)
	page.Until(t, "it waits for long", `presence.state.name === "waiting" && presence.state.retryAt - Date.now() > 20_000`)
	page.Run(t, `await new Promise((done) => setTimeout(done, 200))`)
	o.proxy.Restore()
	page.Run(t, `presence.retry()`)
	if took := page.Until(t, "it is tried now", `presence.state.name === "live"`); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestWebClientReset: the daemon comes back without a memory. What the page knew is forgotten, and it is told so.
func TestWebClientReset(t *testing.T) { inChromium(t, "", webClientReset) }

func webClientReset(t *testing.T, o *office) {
	page := o.open(t, o.browser, boss)
	page.Expect("net::ERR_")
	for i := range 10 {
		o.put(t, "alice@example.test", "busy", fmt.Sprint(i))
	}
	o.put(t, "bob@example.test", "busy", "old")
	page.Run(t, `
		globalThis.last = [new Map(), new Map()];
		presence.watch(["alice@example.test", "bob@example.test", "carol@example.test"], (user) => last[0].set(user.user, [user.status, user.by, user.message].join("|")));
		presence.watchAll((user) => last[1].set(user.user, [user.status, user.by, user.message].join("|")));
	`)
	page.Until(t, "all are told", `presence.state.name === "live" && last.every((map) => map.get("alice@example.test") === "busy|spreed|9" && map.get("bob@example.test") === "busy|spreed|old")`)
	if code := o.terminate(syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	o.daemon = serve(t, nil, "--config", o.file, "--http.listen", o.address())
	o.put(t, "bob@example.test", "available", "new")
	page.Until(t, "only what is now is left", `presence.state.name === "live" && last.every((map) => map.get("alice@example.test") === "unavailable||" && map.get("bob@example.test") === "available|spreed|new")`)
	o.put(t, "alice@example.test", "away", "back")
	page.Until(t, "and follows", `last.every((map) => map.get("alice@example.test") === "away|spreed|back")`)
}

// TestWebClientTokens: tokens end long before the page does. Each time a fresh one is fetched, and nothing is missed meanwhile.
func TestWebClientTokens(t *testing.T) { inChromium(t, "", webClientTokens) }

func webClientTokens(t *testing.T, o *office) {
	o.age.Store(int64(5*time.Minute - 8*time.Second)) // each lasts for eight seconds more
	page := o.open(t, o.browser, boss)
	page.Run(t, `
		presence.watch(["alice@example.test"], (user) => seen.push(user.message));
		globalThis.states = [];
		presence.addEventListener("state", () => states.push(presence.state.name));
	`)
	page.Until(t, "the watch has begun", `presence.state.name === "live"`)
	begin := time.Now()
	for i := 1; time.Since(begin) < 20*time.Second; i++ {
		o.put(t, "alice@example.test", "busy", fmt.Sprint(i))
		page.Until(t, "a change", fmt.Sprintf(`seen.at(-1) === "%d"`, i))
		time.Sleep(200 * time.Millisecond)
	}
	if tokens := o.tokens.Load(); tokens < 3 || tokens > 6 {
		t.Errorf("%d tokens were fetched in 20 seconds", tokens)
	}
	if seen := browsertest.Eval[bool](t, page, `seen.every((message, i) => i === 0 || Number(message) === i)`); !seen {
		t.Error("not every change was seen once")
	}
	if states := browsertest.Eval[string](t, page, `states.join()`); states != "connecting,live" && states != "live" {
		t.Errorf("the page was told of %s", states)
	}
}

// TestWebClientTokenFunction: the page's server hands out something else than tokens for a while. The page comes back by itself.
func TestWebClientTokenFunction(t *testing.T) {
	inBrowsers(t, "spreed: {auto_unavailable: 6s}", webClientTokenFunction)
}

func webClientTokenFunction(t *testing.T, o *office) {
	alice := "alice@example.test"
	work := `
		globalThis.faults = [];
		presence.watch(user, (user) => seen.push(user.status + "/" + user.message));
		globalThis.me = presence.report("available", { message: "here", onerror: (fault) => faults.push(String(fault)) });
	`
	t.Run("at the start", func(t *testing.T) {
		o.loginPage.Store(100)
		page := o.open(t, o.browser, alice)
		page.Expect("status of 502")
		page.Run(t, work)
		page.Until(t, "the page is told why", `presence.state.name === "waiting" && /no token/.test(presence.state.error.message) && faults.some((fault) => /no token/.test(fault))`)
		time.Sleep(1500 * time.Millisecond)
		o.loginPage.Store(0)
		if took := page.Until(t, "all is well", `presence.state.name === "live" && seen.at(-1) === "available/here"`); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
	t.Run("later", func(t *testing.T) {
		o.age.Store(int64(5*time.Minute - 4*time.Second)) // each lasts for four seconds more
		page := o.open(t, o.browser, "bob@example.test")
		page.Expect("status of 502", "status of 401")
		page.Run(t, work)
		page.Until(t, "all is well", `presence.state.name === "live" && seen.at(-1) === "available/here"`)
		o.loginPage.Store(20_000)
		page.Until(t, "the token has ended", `presence.state.name === "waiting" && faults.length`)
		o.age.Store(0)
		o.loginPage.Store(0)
		page.Run(t, `seen.length = 0; me.set("busy", "back");`)
		if took := page.Until(t, "all is well again", `presence.state.name === "live" && seen.at(-1) === "busy/back"`); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
	t.Run("not at all", func(t *testing.T) {
		page := o.open(t, o.browser, "carol@example.test")
		page.Run(t, `
			const wait = setTimeout;
			globalThis.setTimeout = (f, after) => wait(f, after === 30_000 ? 300 : after);
			let asked = 0;
			presence.token = () => (asked++ ? token() : new Promise(() => {}));
		`+work)
		page.Until(t, "the first that answers counts", `faults.some((fault) => /did not answer/.test(fault)) && presence.state.name === "live" && seen.at(-1) === "available/here"`)
	})
}

// TestWebClientManyTabs: eight tabs of one browser, which has six connections for them, are all told of every change, can ask, and report. The one with the
// stream may go at any time.
func TestWebClientManyTabs(t *testing.T) {
	inBrowsers(t, "spreed: {auto_unavailable: 6s}", webClientManyTabs)
}

func webClientManyTabs(t *testing.T, o *office) {
	const tabs = 8
	var pages [tabs]*browsertest.Page
	for i := range pages {
		pages[i] = o.open(t, o.browser, "alice@example.test")
		pages[i].Run(t, fmt.Sprintf(`
			globalThis.streams = 0;
			const send = fetch;
			globalThis.fetch = (url, options) => { if (String(url).endsWith("/v1/events")) streams++; return send(url, options) };
			presence.watch(["user%d@example.test", "bob@example.test"], (user) => seen.push(user.user.split("@")[0] + "/" + user.message));
			globalThis.me = presence.report("available", { message: "here" });`, i))
	}
	number := 0
	change := func(pages []*browsertest.Page) {
		t.Helper()
		number++
		for i := range tabs {
			o.put(t, fmt.Sprintf("user%d@example.test", i), "busy", fmt.Sprint(number))
		}
		o.put(t, "bob@example.test", "busy", fmt.Sprint(number))
		for i, page := range pages {
			page.Until(t, "every change is told", fmt.Sprintf(`seen.includes("user%d/%d") && seen.includes("bob/%[2]d") && presence.state.name === "live"`, i+tabs-len(pages), number))
		}
	}
	change(pages[:])
	for i, page := range pages {
		page.Run(t, fmt.Sprintf(`globalThis.got = await presence.get("user%d@example.test");`, i))
		page.Until(t, "the answer is there", `got.message === "1"`)
	}
	if streams := browsertest.Eval[int](t, pages[tabs-1], `streams`); streams != 0 {
		t.Errorf("the last tab has opened %d streams", streams)
	}
	pages[7].Run(t, `presence.watch("carol@example.test", (user) => seen.push("carol/" + user.status + user.by)); seen.length = 0;`)
	pages[7].Until(t, "a user who is new in the list, and unknown, is told, and nobody twice", `seen.join() === "carol/unavailablenull"`)
	for i := range 3 {
		pages[i].Close()
		change(pages[i+1:])
	}
	time.Sleep(7 * time.Second)
	pages[7].Run(t, `globalThis.alice = await presence.get("alice@example.test");`)
	if got := browsertest.Eval[string](t, pages[7], `alice.status + "/" + alice.message`); got != "available/here" {
		t.Errorf("alice, who works, is %s", got)
	}
	pages[5].Run(t, `await presence.close();`)
	change(pages[6:])
}

// TestWebClientHiddenTabs: a browser that lends no locks, as with http from another machine, has a stream for each page that is seen.
func TestWebClientHiddenTabs(t *testing.T) { inChromium(t, "", webClientHiddenTabs) }

func webClientHiddenTabs(t *testing.T, o *office) {
	page := o.open(t, o.browser, boss)
	page.Run(t, `
		Object.defineProperty(navigator, "locks", { value: undefined });
		let visible = true;
		Object.defineProperty(document, "visibilityState", { get: () => (visible ? "visible" : "hidden") });
		globalThis.look = (there) => { visible = there; document.dispatchEvent(new Event("visibilitychange")) };
		presence.watch("alice@example.test", (user) => seen.push(user.message));
	`)
	page.Until(t, "the watch has begun", `presence.state.name === "live"`)
	o.put(t, "alice@example.test", "busy", "1")
	page.Until(t, "a change", `seen.at(-1) === "1"`)
	page.Run(t, `look(false)`)
	page.Until(t, "its stream has ended", `performance.getEntriesByType("resource").some(({ name }) => name.endsWith("v1/events"))`)
	o.put(t, "alice@example.test", "busy", "2")
	page.Run(t, `await new Promise((done) => setTimeout(done, 300)); seen.push("not seen"); look(true);`)
	page.Until(t, "it goes on where it was", `seen.slice(-3).join() === "1,not seen,2"`)
}

// TestWebClientGroupRefused: a list that the daemon refuses is the loss of the page that has it alone.
func TestWebClientGroupRefused(t *testing.T) { inChromium(t, "", webClientGroupRefused) }

func webClientGroupRefused(t *testing.T, o *office) {
	good, bad := o.open(t, o.browser, "alice@example.test"), o.open(t, o.browser, "alice@example.test")
	good.Expect("status of 422")
	bad.Expect("status of 422")
	watch := `presence.watch(%q, (user) => seen.push(user.status));`
	good.Run(t, fmt.Sprintf(watch, "bob@example.test"))
	good.Until(t, "the watch has begun", `presence.state.name === "live"`)
	bad.Run(t, fmt.Sprintf(watch, strings.Repeat("x", 5000)+"@example.test"))
	bad.Until(t, "it is refused", `presence.state.name === "refused" && presence.state.error.status === 422`)
	good.Until(t, "the other one goes on", `presence.state.name === "live"`)
	o.put(t, "bob@example.test", "busy", "")
	good.Until(t, "it does", `seen.at(-1) === "busy"`)
}

// TestWebClientLetters: users' ids may have any letters, which a header does not take.
func TestWebClientLetters(t *testing.T) { inBrowsers(t, "", webClientLetters) }

func webClientLetters(t *testing.T, o *office) {
	for _, user := range []string{"zoë@example.test", "зоя@example.test", "100%25@example.test", "😀@example.test"} {
		t.Run(user, func(t *testing.T) {
			page := o.open(t, o.browser, user)
			page.Run(t, `
				presence.watch(user, (user) => seen.push(user.status));
				globalThis.me = presence.report("available");
			`)
			page.Until(t, "the user is there", `seen.at(-1) === "available"`)
			page.Run(t, `await presence.set("busy", { message: "until three" }); globalThis.got = await presence.get(user);`)
			page.Until(t, "and busy", `seen.at(-1) === "busy" && got.user === user && got.message === "until three"`)
		})
	}
}

// TestWebClientWatches: what comes and goes in a page.
func TestWebClientWatches(t *testing.T) { inChromium(t, "", webClientWatches) }

func webClientWatches(t *testing.T, o *office) {
	page := o.open(t, o.browser, "bob@example.test")
	page.Expect("status of 403")
	o.put(t, "alice@example.test", "busy", "one")
	page.Run(t, `
		globalThis.off = presence.watch(["alice@example.test", "carol@example.test"], (user) => seen.push("first " + user.user + " " + user.message));
		presence.watch("alice@example.test", () => { throw new Error("this callback is broken") });
		globalThis.errors = [];
		addEventListener("error", (event) => { errors.push(event.error.message); event.preventDefault() });
	`)
	page.Until(t, "both are told", `seen.length === 2 && errors.length === 1`)
	page.Run(t, `
		seen.length = 0;
		presence.watch("ALICE@example.test", (user) => seen.push("second " + user.message)); // known already
	`)
	page.Until(t, "who is known is told at once", `seen.join() === "second one"`)
	page.Run(t, `off(); off(); seen.length = 0; presence.watch("dave@example.test", (user) => seen.push("dave " + user.status));`)
	page.Until(t, "another stream tells of dave, and nothing that is known", `seen.join() === "dave unavailable"`)
	o.put(t, "alice@example.test", "away", "two")
	page.Until(t, "alice is watched still, by one", `seen.join() === "dave unavailable,second two" && errors.length === 2`)
	page.Run(t, `presence.watch(["alice@example.test", "erin@example.test"], (user) => seen.push("third " + user.user + " " + user.message), () => seen.push("ready"));`)
	page.Until(t, "who is known is told to a list with others, too", `seen.slice(-3).join() === "third alice@example.test two,third erin@example.test ,ready"`)
	page.Run(t, `globalThis.end = presence.watchAll(() => {});`)
	page.Until(t, "bob may not watch everybody", `presence.state.name === "refused" && presence.state.error.status === 403`)
	page.Run(t, `end();`)
	page.Until(t, "who is named is watched still", `presence.state.name === "live"`)
	page.Run(t, `await presence.close();`)
	page.Until(t, "all is over", `presence.state.name === "idle"`)
}

// TestEventParser: the format of server-sent events, cut into pieces at every place.
func TestEventParser(t *testing.T) { inChromium(t, "", eventParser) }

func eventParser(t *testing.T, o *office) {
	page := o.open(t, o.browser, boss)
	got := browsertest.Eval[string](t, page, `(() => {
		const texts = {
			"data: a\n\n": "message|a|",
			"data:a\r\rdata: b\r\n\r\ndata:  c\n\n": "message|a|;message|b|;message| c|",
			"event: presence\nid: 7\ndata: {}\n\n": "presence|{}|7",
			"data: x\ndata: y\r\ndata\r\n\r\n": "message|x\ny\n|",
			": comment\n\nevent: lost\n\ndata: z\n\n": "message|z|",
			"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n": "message|a|1;message|b|1;message|c|",
			"id: 1\0\ndata: a\n\nid: 2\n\ndata: b\n\n": "message|a|;message|b|2",
			"retry: 250\nretry: x\nunknown: y\ndata: ü☎😀\n\ndata: cut off": "message|ü☎😀|;retry 250",
			"\n\r\n\r\ndata:\n\n": "message||",
			"id: 4\ndata: a\n\n: all is quiet\nid: 5\n\nid: 6\ndata: cut off\n": "message|a|4;up to 5",
		};
		const faults = [];
		const parse = (pieces) => {
			const events = [];
			const parser = new client.EventParser(({ type, data, id }) => events.push([type, data, id].join("|")));
			for (const piece of pieces) parser.push(piece);
			if (parser.retry !== null) events.push("retry " + parser.retry);
			if (parser.id && !events.at(-1)?.includes("|" + parser.id)) events.push("up to " + parser.id);
			return events.join(";");
		};
		const bytes = (text) => new TextEncoder().encode(text);
		const decode = (pieces) => { const decoder = new TextDecoder(); return pieces.map((piece) => decoder.decode(piece, { stream: true })) };
		let tried = 0;
		for (const [text, want] of Object.entries(texts)) {
			const all = bytes(text);
			const cuts = [[all], Array.from(all, (byte) => Uint8Array.of(byte))];
			for (let i = 0; i <= all.length; i++) for (let j = i; j <= all.length; j++) cuts.push([all.slice(0, i), all.slice(i, j), all.slice(j)]);
			for (const pieces of cuts) {
				const got = parse(decode(pieces));
				tried++;
				if (got !== want && faults.length < 10) faults.push(JSON.stringify([text, pieces.map((piece) => piece.length), got, want]));
			}
		}
		return faults.length ? faults.join("\n") : tried > 3000 ? "" : "only " + tried + " were tried";
	})()`)
	if got != "" {
		t.Error(got)
	}
}

// TestWebClientGroups: a page is told of a group's members, of whoever comes into it, and who is in it no more.
func TestWebClientGroups(t *testing.T) {
	file := write(t, "identities.csv", "user,groups\nalice@example.test,helpdesk\nu{number}@example.test,helpdesk\n")
	inChromium(t, "identities_file: "+file, func(t *testing.T, o *office) { webClientGroups(t, o, file) })
}

func webClientGroups(t *testing.T, o *office, file string) {
	o.put(t, "u1@example.test", "away", "")
	page, other := o.open(t, o.browser, "bob@example.test"), o.open(t, o.browser, "bob@example.test")
	page.Expect("status of 422")
	other.Expect("status of 422")
	for _, p := range []*browsertest.Page{page, other} { // which share the stream
		p.Run(t, `
			globalThis.now = new Map();
			globalThis.ready = 0;
			globalThis.off = presence.watchGroup("helpdesk", (user) => now.set(user.user, user.status), { ready: () => ready++, left: (id) => now.delete(id) });
			globalThis.members = () => [...now].map(([id, status]) => id.split("@")[0] + " " + status).sort().join();
		`)
		p.Until(t, "the members are told", `ready > 0 && presence.state.name === "live" && members() === "alice unavailable,u1 away"`)
	}
	o.put(t, "u2@example.test", "busy", "")
	o.put(t, "carl@example.test", "busy", "")
	if err := os.WriteFile(file, []byte("user,groups\nalice@example.test,\ncarl@example.test,helpdesk\nu{number}@example.test,helpdesk\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*browsertest.Page{page, other} {
		p.Until(t, "who has come is told, and who has left", `members() === "carl busy,u1 away,u2 busy"`)
	}
	page.Run(t, `off(); globalThis.none = presence.watchGroup("nobody", () => {});`)
	page.Until(t, "there is no such group", `presence.state.name === "refused" && presence.state.error.status === 422`)
	page.Run(t, `none();`)
	page.Until(t, "nothing is watched", `presence.state.name === "idle"`)
	o.put(t, "u1@example.test", "busy", "")
	other.Until(t, "the other page goes on", `members() === "carl busy,u1 busy,u2 busy"`)
}
