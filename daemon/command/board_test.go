package command

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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
	for _, kind := range browsertest.Kinds {
		t.Run(string(kind), func(t *testing.T) { board(t, s, kind) })
	}
}

func board(t *testing.T, s *site, kind browsertest.Kind) {
	page := browsertest.Start(t, kind).Open(t, s.board("intranet@example.test"), browsertest.Desktop)
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
	page.Press(t, browsertest.ArrowDown+browsertest.Enter)
	page.Until(t, "all her protocols are shown", `document.querySelector(".detail").innerText.replace(/\s+/g, " ").includes("Spreed decides: busy takes precedence.") &&
		document.querySelectorAll(".detail li").length === 2`)
	phone.Show("", "back at my desk")
	page.Until(t, "and follow", `document.querySelector(".detail").innerText.includes("back at my desk")`)
	page.Press(t, browsertest.ArrowUp+browsertest.Escape)
	page.Until(t, "Escape ends the search", `document.querySelectorAll(".row").length === 4`)
	page.Click(t, `#filters [data-status="busy"]`)
	page.Until(t, "the filter leaves one", `document.querySelectorAll(".row").length === 1 && `+row("alice"))
	phone.Leave("")
	s.put("intranet@example.test", "alice", "unavailable", "")
	page.Until(t, "who is no longer busy is gone", `document.querySelectorAll(".row").length === 0 && document.querySelector("#nobody").innerText.includes("Nobody matches.")`)
	page.Click(t, "#nobody button")
	page.Until(t, "everybody is back", `document.querySelectorAll(".row").length === 4`)
	if status, body := v1(t, s.url, http.MethodDelete, "users/alice@example.test/spreed", ""); status != http.StatusNoContent {
		t.Errorf("DELETE: %d %s", status, body)
	}
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
func TestBoardPictures(t *testing.T) { inBrowsers(t, offered, boardPictures) }

// offered is what a site can say of its people, and offer them.
const offered = `
status_entries:
  - {label: Lunch, status: away, activity: meal, for: 1h}
  - {label: In a workshop, status: busy, activity: meeting}
  - {label: Working from home, status: available}
identities:
  - {user: intranet@example.test, display_name: Front desk}
  - {user: alice@example.test, display_name: Alice Archer}
  - {user: fatima.alzahra@example.test, display_name: Fatima Al-Zahra}
`

func boardPictures(t *testing.T, o *office) {
	var entries []string
	for _, c := range colleagues {
		entries = append(entries, fmt.Sprintf(`{"user_id":%q,"spreed":{"status":%q,"message":%q}}`, c.user, c.status, c.message))
	}
	o.putAll(t, strings.Join(entries, ","))
	o.set(t, "dmitri@example.test", "manual", `{"status":"busy","message":"deep work","ttl":3600}`)
	o.set(t, "fatima.alzahra@example.test", "manual", `{"status":"away","message":"at the dentist, back after lunch","ttl":5400}`)
	dir := pictures(t)
	for _, look := range browsertest.Looks {
		t.Run(look.String(), func(t *testing.T) {
			page := o.browser.Open(t, o.url+"board", look)
			page.Until(t, "it asks for a token", `!document.querySelector("#sign-in").hidden`)
			o.inspect(t, page, dir, "sign-in-"+look.String())
			page.Navigate(t, "about:blank", o.board(boss))
			page.Until(t, "everybody is shown", fmt.Sprintf(`document.querySelectorAll(".row").length === %d`, len(colleagues)))
			page.Run(t, `document.querySelectorAll("summary")[7].focus(); document.querySelectorAll("details")[7].open = true;`)
			page.Until(t, "the details are shown", `document.querySelector(".detail li")`)
			o.inspect(t, page, dir, "board-"+look.String())
			page.Run(t, `document.querySelector("#me").shadowRoot.querySelector("button").click();`)
			page.Until(t, "my status is open", me("[role=dialog]")+`.checkVisibility()`)
			o.inspect(t, page, dir, "my-status-"+look.String())
		})
	}
}

// pictures is the directory for pictures.
func pictures(t *testing.T) string {
	t.Helper()
	return cmp.Or(os.Getenv("BOARD_PICTURES"), t.TempDir())
}

// inspect checks a page and takes its picture.
func (o *office) inspect(t *testing.T, page *browsertest.Page, dir, name string) {
	t.Helper()
	page.Run(t, `await Promise.all(document.getAnimations().map((animation) => animation.finished)); await document.fonts.ready;`)
	page.Screenshot(t, filepath.Join(dir, name+".png"))
	if faults := browsertest.Eval[string](t, page, faultsOfPage); faults != "" {
		t.Errorf("%s:\n%s", name, faults)
	}
}

// accessible checks that axe-core finds nothing in a page.
func accessible(t *testing.T, page *browsertest.Page, name string) {
	t.Helper()
	page.Run(t, `await Promise.all(document.getAnimations().map((animation) => animation.finished));`)
	if barriers := page.Barriers(t); barriers != "" {
		t.Errorf("%s:\n%s", name, barriers)
	}
}

// TestBoardAccessible: axe-core finds nothing in the board, in whatever state.
func TestBoardAccessible(t *testing.T) { inBrowsers(t, "", boardAccessible) }

func boardAccessible(t *testing.T, o *office) {
	for i, c := range colleagues {
		o.put(t, c.user, c.status, c.message)
		if i%4 == 0 {
			o.set(t, c.user, "manual", `{"status":"busy","message":"deep work","ttl":3600}`)
		}
	}
	for _, look := range browsertest.Looks {
		t.Run(look.String(), func(t *testing.T) {
			page := o.browser.Open(t, o.intranet.daemon+"board#code=x", look)
			page.Expect("status of 401", "net::ERR_")
			page.Until(t, "an error is shown", `!document.querySelector("#sign-in-fault").hidden`)
			accessible(t, page, "a link that does not work")
			page.Navigate(t, "about:blank", o.intranet.daemon+"board#token="+url.QueryEscape(agedToken(boss, 0)))
			page.Until(t, "everybody is shown", fmt.Sprintf(`document.querySelectorAll(".row").length === %d && document.querySelector("#connection").innerText === "Live"`, len(colleagues)))
			page.Run(t, `document.querySelectorAll("summary")[7].focus(); document.querySelectorAll("details")[7].open = true;`)
			page.Until(t, "the details are shown", `document.querySelector(".detail li")`)
			accessible(t, page, "connected")
			page.Type(t, "#search", "nobody has this name")
			page.Until(t, "nobody is shown", `document.querySelector("#nobody").innerText.includes("Nobody matches.")`)
			accessible(t, page, "an empty filter")
			page.Press(t, browsertest.Escape)
			o.proxy.Cut()
			page.Until(t, "it is cut off", `document.body.classList.contains("outdated")`)
			accessible(t, page, "disconnected")
			o.proxy.Restore()
			page.Run(t, `document.querySelector("#retry").click()`)
			page.Until(t, "it is connected again", `document.querySelector("#connection").innerText === "Live"`)
			page.Click(t, "#sign-out")
			page.Until(t, "signed out", `!document.querySelector("#sign-in").hidden`)
			accessible(t, page, "signed out")
		})
	}
}

// TestBoardSignIn: what goes wrong with tokens, and who may not watch everybody.
func TestBoardSignIn(t *testing.T) { inChromium(t, "", boardSignIn) }

func boardSignIn(t *testing.T, o *office) {
	o.put(t, "alice@example.test", "busy", "in a meeting")
	fault := `document.querySelector("#sign-in-fault").innerText`
	open := func(token string) *browsertest.Page {
		address := o.url + "board"
		if token != "" {
			address += "#token=" + url.QueryEscape(token)
		}
		page := o.browser.Open(t, address, browsertest.Desktop)
		page.Expect("status of 401")
		return page
	}
	t.Run("no token", func(t *testing.T) {
		page := open("")
		page.Until(t, "it asks for one, where the cursor is", `document.activeElement.id === "token" && `+fault+` === ""`)
		page.Type(t, "#token", "a token"+browsertest.Enter)
		page.Until(t, "what is none is refused at once", fault+`.startsWith("That is no token.")`)
		page.Type(t, "#token", browsertest.End+strings.Repeat(browsertest.Backspace, 10)+"  "+agedToken(boss, 0)+" "+browsertest.Enter) // with blanks around, as when pasted
		page.Until(t, "a good one does", row("alice")+` === "busy|in a meeting|spreed"`)
		if kept := browsertest.Eval[string](t, page, `JSON.stringify([localStorage.length, document.cookie, Object.keys(sessionStorage)])`); kept != `[0,"",["presence.token"]]` {
			t.Errorf("the browser keeps %s", kept)
		}
		page.Run(t, `setTimeout(() => location.reload())`)
		page.Until(t, "it holds for the tab", `performance.getEntriesByType("navigation")[0].type === "reload" && `+row("alice")+` === "busy|in a meeting|spreed"`)
		page.Click(t, "#sign-out")
		page.Until(t, "signed out", `!document.querySelector("#sign-in").hidden && document.querySelector("#people").hidden && sessionStorage.length === 0`)
	})
	t.Run("forged", func(t *testing.T) {
		page := open(strings.Replace(agedToken(boss, 0), boss, "root@example.test", 1))
		page.Until(t, "it is refused", fault+`.startsWith("The daemon does not accept this token: ") && document.querySelector("#people").hidden && sessionStorage.length === 0`)
	})
	t.Run("expired", func(t *testing.T) {
		page := open(agedToken(boss, 10*time.Minute))
		page.Until(t, "it is refused", fault+`.startsWith("Your token has expired. Sign in with a fresh one.")`)
	})
	t.Run("expires", func(t *testing.T) {
		page := open(agedToken(boss, 5*time.Minute-7*time.Second))
		page.Until(t, "at first all is well", row("alice")+` === "busy|in a meeting|spreed"`)
		page.Until(t, "it has expired", fault+`.startsWith("Your token has expired; what you see below is no longer kept up to date.")`)
		if !browsertest.Eval[bool](t, page, `document.body.classList.contains("outdated") && `+row("alice")+` === "busy|in a meeting|spreed"`) {
			t.Error("what was shown is gone, or looks like news")
		}
		o.put(t, "alice@example.test", "away", "lunch")
		page.Type(t, "#token", agedToken(boss, 0)+browsertest.Enter)
		page.Until(t, "it goes on", row("alice")+` === "away|lunch|spreed" && document.querySelector("#sign-in").hidden && document.querySelector("#connection").innerText === "Live"`)
	})
	t.Run("another by a link", func(t *testing.T) {
		page := open(agedToken("alice@example.test", 0))
		page.Until(t, "she may not watch all", `document.activeElement.id === "users"`)
		page.Run(t, fmt.Sprintf(`location.hash = "#x=y&token=" + %q`, agedToken(boss, 0))) // not encoded, as people write it
		page.Until(t, "the other one may", row("alice")+` === "away|lunch|spreed" && location.hash === ""`)
	})
	t.Run("only services", func(t *testing.T) {
		page := open(agedToken("alice@example.test", 0))
		page.Until(t, "it asks for users, and says why", `document.activeElement.id === "users" &&
			document.querySelector("#naming-why").innerText.startsWith("alice@example.test may not watch everybody: only the services in auth.services may.")`)
		page.Type(t, "#users", "alice@example.test, nonsense")
		page.Click(t, "#naming button")
		page.Until(t, "it names the mistake", `document.querySelector("#naming-fault").innerText === '"nonsense" is no user: an id is account@domain'`)
		page.Run(t, `document.querySelector("#users").value = ""`)
		page.Type(t, "#users", "alice@example.test, Bob@example.test\nzoe@other.example.test")
		page.Click(t, "#naming button")
		page.Until(t, "they are shown", row("alice")+` === "away|lunch|spreed" && document.querySelector("#shown").innerText === "3 people" && !document.querySelector("#rename").hidden`)
		page.Until(t, "nobody is lost who is not known", row("bob")+` === "unavailable||"`)
		page.Run(t, `setTimeout(() => location.reload())`)
		page.Until(t, "the list holds for the tab", `performance.getEntriesByType("navigation")[0].type === "reload" && document.querySelector("#shown").innerText === "3 people"`)
		page.Click(t, "#rename")
		page.Until(t, "the list can be changed", `document.querySelector("#users").value === "alice@example.test\nBob@example.test\nzoe@other.example.test"`)
	})
}

// TestBoardForNewcomers: the address that a start prints shows everybody, the root leads to the board, and the keys that it names work before anything is clicked.
func TestBoardForNewcomers(t *testing.T) {
	for _, kind := range browsertest.Kinds {
		t.Run(string(kind), func(t *testing.T) { boardForNewcomers(t, kind) })
	}
}

func boardForNewcomers(t *testing.T, kind browsertest.Kind) {
	dir := filepath.Join(t.TempDir(), "run")
	d := serve(t, nil, "--quickstart", dir, "--store.kind=memory", "--http.listen=127.0.0.1:0")
	eventually(t, "the address is printed", func() bool { return strings.Contains(d.stdout.String(), "Ctrl-C") })
	printed := regexp.MustCompile(`\S+/board#code=\S+`).FindString(d.stdout.String())
	if printed == "" {
		t.Fatalf("there is no address in:\n%s", d.stdout.String())
	}
	signed := token(t, []string{"PRESENCE_AUTH__SECRET_FILE=" + filepath.Join(dir, "secret")}, markd)
	long := strings.Repeat("a long message ", 40)
	for i, status := range []string{"available", "away", "busy", "unavailable"} {
		entry := fmt.Sprintf(`{"user_id":"user%d@example.test","spreed":{"status":%q,"message":%q}}`, i, status, long)
		if code, body := request(t, "PUT", d.url, signed, entry); code != 200 {
			t.Fatalf("%d %s", code, body)
		}
	}
	browser := browsertest.Start(t, kind)
	page := browser.Open(t, d.url, browsertest.Desktop)
	page.Expect("status of 401")
	page.Until(t, "the root leads to the board", `location.pathname === "/board" && document.activeElement.id === "token"`)
	page.Navigate(t, "about:blank", printed)
	page.Until(t, "everybody is shown", `document.querySelectorAll(".row").length === 4 && document.activeElement === document.body`)
	page.Run(t, `setTimeout(() => location.reload())`)
	page.Until(t, "the tab stays signed in", `performance.getEntriesByType("navigation")[0].type === "reload" && document.querySelectorAll(".row").length === 4`)
	page.Navigate(t, "about:blank", printed)
	page.Until(t, "and does so when the link is opened again in it", `document.querySelectorAll(".row").length === 4`)
	page.Until(t, "who is away is not here", `document.querySelector("h2 .count").textContent === "2 of 4 here"`)
	page.Press(t, browsertest.ArrowDown)
	page.Until(t, "an arrow goes to the first row", `document.activeElement.closest(".row")?.querySelector(".name").textContent === "user0"`)
	page.Run(t, `document.activeElement.blur()`)
	page.Press(t, browsertest.Enter)
	page.Until(t, "Enter opens it", `document.querySelector(".row details").open && document.querySelector(".detail li")`)
	page.Until(t, "its dot is beside the first line", `(() => {
		const item = document.querySelector(".detail li"), dot = item.querySelector("presence-dot").getBoundingClientRect();
		return item.offsetHeight > 60 && dot.bottom - item.getBoundingClientRect().top < 30;
	})()`)
}

// TestBoardCode: a link with a code signs in, once; and what the browser keeps of it is of no use to who reads the browser's files.
func TestBoardCode(t *testing.T) { inBrowsers(t, "", boardCode) }

func boardCode(t *testing.T, o *office) {
	o.put(t, "alice@example.test", "busy", "in a meeting")
	printed := command(nil, "board", "--config", o.file, "--url", o.url)
	link := strings.TrimSpace(printed.stdout)
	if printed.code != 0 || !strings.HasPrefix(link, o.url+"board#code=") {
		t.Fatalf("%d %s%s", printed.code, printed.stdout, printed.stderr)
	}
	page := o.browser.Open(t, link, browsertest.Desktop)
	page.Until(t, "it is signed in", row("alice")+` === "busy|in a meeting|spreed" && location.hash === ""`)
	signed := browsertest.Eval[string](t, page, `sessionStorage.getItem("presence.token")`)
	second := o.browser.Open(t, link, browsertest.Desktop)
	second.Expect("status of 401")
	second.Until(t, "a second time it says why not", `/^The link does not work: the code (has been used|has expired)/.test(document.querySelector("#sign-in-fault").innerText)`)
	o.browser.Close()
	mac := signed[strings.LastIndexByte(signed, ':')+1:]
	kept := kept(t, o.browser.Profile)
	if !strings.Contains(kept, "/board") {
		t.Error("the history is not where it is looked for")
	}
	for _, form := range []string{mac, url.QueryEscape(mac), url.PathEscape(mac)} {
		if strings.Contains(kept, form) {
			t.Error("the browser keeps the token")
		}
	}
	code, err := url.QueryUnescape(strings.TrimPrefix(link, o.url+"board#code="))
	if err != nil {
		t.Fatal(err)
	}
	if status, body := v1With(t, code, o.url, http.MethodPost, "token", ""); status != http.StatusUnauthorized {
		t.Errorf("what it keeps is good for a token: %d %s", status, body)
	}
}

// kept is what a browser keeps of the pages it has shown: the history and what stands beside it.
func kept(t *testing.T, profile string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(profile, func(path string, entry fs.DirEntry, err error) error {
		name, _, _ := strings.Cut(entry.Name(), "-") // a database can have a log beside it
		if err != nil || !slices.Contains([]string{"places.sqlite", "favicons.sqlite", "History", "Favicons", "Top Sites", "Visited Links", "Shortcuts"}, name) {
			return err
		}
		content, err := os.ReadFile(path)
		all.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestBoardTokenURL: a board can fetch its tokens, so that it goes on when one expires.
func TestBoardTokenURL(t *testing.T) { inChromium(t, "", boardTokenURL) }

func boardTokenURL(t *testing.T, o *office) {
	o.put(t, "alice@example.test", "busy", "one")
	o.age.Store(int64(5*time.Minute - 7*time.Second)) // each lasts for seven seconds more
	site := httptest.NewServer(o.inFront(t))
	t.Cleanup(site.Close)
	page := o.browser.Open(t, site.URL+"/board#token-url="+url.QueryEscape("token?user="+boss), browsertest.Desktop)
	page.Until(t, "it is signed in", row("alice")+` === "busy|one|spreed" && location.hash === ""`)
	page.Run(t, `globalThis.asked = 0; new MutationObserver(() => { asked += !document.querySelector("#sign-in").hidden }).observe(document.querySelector("#sign-in"), { attributes: true })`)
	time.Sleep(10 * time.Second)
	o.put(t, "alice@example.test", "away", "two")
	page.Until(t, "it goes on with another token", row("alice")+` === "away|two|spreed"`)
	if tokens, asked := o.tokens.Load(), browsertest.Eval[int](t, page, `asked`); tokens < 2 || asked > 0 {
		t.Errorf("%d tokens were fetched; it asked for one %d times", tokens, asked)
	}
	page.Run(t, `setTimeout(() => location.reload())`)
	page.Until(t, "it holds for the tab", `performance.getEntriesByType("navigation")[0].type === "reload" && `+row("alice")+` === "away|two|spreed"`)
}

// TestBoardNetwork: the board says that it is cut off, and since when it is not.
func TestBoardNetwork(t *testing.T) { inBrowsers(t, "", boardNetwork) }

func boardNetwork(t *testing.T, o *office) {
	o.put(t, "alice@example.test", "busy", "one")
	page := o.browser.Open(t, strings.Replace(o.board(boss), o.url, o.intranet.daemon, 1), browsertest.Desktop)
	page.Expect("net::ERR_")
	page.Until(t, "alice is shown", row("alice")+` === "busy|one|spreed" && document.querySelector("#connection").innerText === "Live"`)
	o.proxy.Cut()
	page.Until(t, "it says so, to the eye and the ear", `document.querySelector("#connection").innerText.startsWith("Connection lost, trying again") &&
		document.querySelector("#announcer").textContent.startsWith("The connection is lost.")`)
	o.inspect(t, page, t.TempDir(), "disconnected")
	o.put(t, "alice@example.test", "away", "two")
	o.put(t, "bob@example.test", "away", "new here")
	o.proxy.Restore()
	page.Until(t, "it can be tried now", `!document.querySelector("#retry").hidden`)
	page.Click(t, "#retry")
	page.Until(t, "the button has done its work", `document.querySelector("#retry").hidden`)
	page.Until(t, "nothing is missed", row("alice")+` === "away|two|spreed" && `+row("bob")+` === "away|new here|spreed" &&
		document.querySelector("#connection").innerText === "Live" && document.querySelector("#announcer").textContent === "Connected again."`)
}

// TestBoardFocus: the focus is never lost, and never behind the top.
func TestBoardFocus(t *testing.T) { inBrowsers(t, "", boardFocus) }

func boardFocus(t *testing.T, o *office) {
	for i := range 40 {
		o.put(t, fmt.Sprintf("user%d@example.test", i), "busy", "")
	}
	page := o.browser.Open(t, o.url+"board", browsertest.Desktop)
	page.Type(t, "#token", agedToken(boss, 0)+browsertest.Enter)
	page.Until(t, "who has signed in is at the people", `document.querySelectorAll(".row").length === 40 && document.activeElement.id === "people"`)
	page.Press(t, browsertest.ArrowDown+browsertest.End)
	page.Until(t, "the last has the focus", `document.activeElement.querySelector(".name")?.textContent === "user39"`)
	for range 25 {
		page.Press(t, browsertest.ArrowUp)
		if hidden := browsertest.Eval[float64](t, page, `document.querySelector(".top").getBoundingClientRect().bottom - document.activeElement.getBoundingClientRect().top`); hidden > 0 {
			t.Fatalf("%v pixels of the row with the focus are behind the top", hidden)
		}
	}
	page.Click(t, `#filters [data-status="busy"]`)
	page.Run(t, `document.querySelectorAll("summary")[3].focus()`)
	o.put(t, "user3@example.test", "away", "")
	page.Until(t, "the next one has the focus", `document.querySelectorAll(".row").length === 39 && document.activeElement.querySelector(".name")?.textContent === "user4"`)
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
	const opacityOf = (element) => (element ? Number(getComputedStyle(element).opacity) * opacityOf(element.parentElement) : 1);
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const element = walker.currentNode.parentElement;
		if (!walker.currentNode.textContent.trim() || !visible(element) || element.closest("script, noscript")) continue;
		const under = ground(element), over = rgb(getComputedStyle(element).color), opacity = opacityOf(element);
		const mixed = { r: over.r * opacity + under.r * (1 - opacity), g: over.g * opacity + under.g * (1 - opacity), b: over.b * opacity + under.b * (1 - opacity) };
		const [a, b] = [luminance(mixed), luminance(under)].sort((x, y) => y - x);
		const contrast = (a + 0.05) / (b + 0.05);
		if (contrast < 4.5) faults.push(JSON.stringify(walker.currentNode.textContent.trim()) + " has a contrast of " + contrast.toFixed(2));
	}
	for (const control of document.querySelectorAll("input, textarea, button")) {
		if (visible(control) && !control.textContent.trim() && !control.labels?.length && !control.getAttribute("aria-label")) faults.push("a control has no name: " + control.outerHTML);
	}
	for (const link of document.querySelectorAll("nav a, p > a")) if (visible(link) && link.offsetHeight < 24 && link.closest("nav")) faults.push("a link is " + link.offsetHeight + " high: " + link.textContent);
	for (const cell of document.querySelectorAll("th")) if (!cell.textContent.trim()) faults.push("a table's header is empty");
	for (const box of document.querySelectorAll(".scroll")) if (visible(box) && box.scrollWidth > box.clientWidth && box.tabIndex < 0) faults.push("a table scrolls, but not with a keyboard");
	let level = 1;
	for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
		const next = Number(heading.tagName[1]);
		if (visible(heading) && next > level + 1) faults.push("h" + next + " follows h" + level + ": " + heading.textContent);
		if (visible(heading)) level = next;
	}
	return faults.join("\n");
})()`
