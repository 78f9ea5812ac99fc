package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/syncbuffer"
)

// Page is a tab. It is for the test's goroutine.
type Page struct {
	// Close closes the tab, as a user would. It may be called again. The end of the test closes it, too.
	Close func()

	tab      tab
	expected []string
	faults   syncbuffer.Buffer // a line each
}

// tab is a tab of a browser.
type tab interface {
	// navigate goes to a URL and returns when the page is loaded.
	navigate(ctx context.Context, url string) error
	// eval returns the value of a JavaScript expression that is a string, or a promise of one.
	eval(ctx context.Context, expression string) (string, error)
	// click presses and releases the mouse at a place of the window.
	click(ctx context.Context, x, y int) error
	// press presses and releases keys, one after the other.
	press(ctx context.Context, keys string) error
	// screenshot returns a picture of the window, as PNG.
	screenshot(ctx context.Context) ([]byte, error)
	close(ctx context.Context) error
}

// Keys that are no letters, for Press and Type. They are those of WebDriver (17.4.2).
const (
	Backspace = "\uE003"
	Tab       = "\uE004"
	Enter     = "\uE007"
	Escape    = "\uE00C"
	End       = "\uE010"
	Home      = "\uE011"
	ArrowUp   = "\uE013"
	ArrowDown = "\uE015"
)

// Open opens a URL in a new tab.
func (b *Browser) Open(t testing.TB, url string, look Look) *Page {
	t.Helper()
	p := new(Page)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	opened, err := b.program.open(ctx, look, func(text string) { fmt.Fprintln(&p.faults, strings.Join(strings.Fields(text), " ")) })
	if err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	p.tab = opened
	p.Close = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		_ = opened.close(ctx) // it may have crashed, or gone with the browser
	})
	t.Cleanup(func() {
		p.Close()
		for fault := range strings.Lines(p.faults.String()) {
			if !slices.ContainsFunc(p.expected, func(part string) bool { return strings.Contains(fault, part) }) {
				t.Errorf("in the page: %s", fault)
			}
		}
	})
	p.Navigate(t, url)
	return p
}

// do lets the tab do something. If that fails, so does the test, with the page's errors.
func (p *Page) do(t testing.TB, what string, act func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := act(ctx); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, p.faults.String())
	}
}

// Navigate goes to URLs, one after the other.
func (p *Page) Navigate(t testing.TB, urls ...string) {
	t.Helper()
	for _, url := range urls {
		p.do(t, "navigating", func(ctx context.Context) error { return p.tab.navigate(ctx, url) })
	}
}

// Press presses and releases keys, one after the other: letters, or Enter and the like.
func (p *Page) Press(t testing.TB, keys string) {
	t.Helper()
	p.do(t, "pressing keys", func(ctx context.Context) error { return p.tab.press(ctx, keys) })
}

// Type moves the focus to the element that a CSS selector selects, once it can be seen, and presses keys.
func (p *Page) Type(t testing.TB, selector, keys string) {
	t.Helper()
	p.awaitVisible(t, selector)
	p.Run(t, fmt.Sprintf(`document.querySelector(%q).focus()`, selector))
	p.Press(t, keys)
}

// Click presses and releases the mouse in the middle of the element that a CSS selector selects, once it can be seen.
func (p *Page) Click(t testing.TB, selector string) {
	t.Helper()
	p.awaitVisible(t, selector)
	at := Eval[[2]int](t, p, fmt.Sprintf(`(() => {
		const element = document.querySelector(%q);
		element.scrollIntoView({ block: "nearest", behavior: "instant" });
		const { x, y, width, height } = element.getBoundingClientRect();
		return [Math.round(x + width / 2), Math.round(y + height / 2)];
	})()`, selector))
	p.do(t, "clicking "+selector, func(ctx context.Context) error { return p.tab.click(ctx, at[0], at[1]) })
}

func (p *Page) awaitVisible(t testing.TB, selector string) {
	t.Helper()
	p.Until(t, selector+" is visible", fmt.Sprintf(`document.querySelector(%q)?.checkVisibility()`, selector))
}

// Eval returns the value of a JavaScript expression. It awaits a promise. The value must have a form in JSON.
func Eval[T any](t testing.TB, p *Page, expression string) (value T) {
	t.Helper()
	p.do(t, expression, func(ctx context.Context) error {
		text, err := p.tab.eval(ctx, asJSON(expression))
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(text), &value)
	})
	return value
}

// asJSON makes an expression for the JSON form of an expression's value.
func asJSON(expression string) string {
	return "(async () => JSON.stringify(await (" + expression + "\n)))()"
}

// Run runs JavaScript statements, which may use await.
func (p *Page) Run(t testing.TB, statements string) {
	t.Helper()
	Eval[bool](t, p, "(async () => {"+statements+"\n})().then(() => true)")
}

// Until waits until a JavaScript expression is true and returns how long that took. The page may navigate meanwhile.
func (p *Page) Until(t testing.TB, what, expression string) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		holds, err := p.tab.eval(ctx, "String(!!("+expression+"))") // an error: it is about what is not there yet
		if err == nil && holds == "true" {
			return time.Since(begin)
		}
		if ctx.Err() != nil {
			t.Fatalf("not within %v: %s (%s)\n%s\nthe page shows:\n%s", timeout, what, expression, p.faults.String(), Eval[string](t, p, "document.body.innerText"))
		}
	}
}

// Screenshot writes a picture of the window to a PNG file.
func (p *Page) Screenshot(t testing.TB, file string) {
	t.Helper()
	p.do(t, file, func(ctx context.Context) error {
		picture, err := p.tab.screenshot(ctx)
		if err != nil {
			return err
		}
		return os.WriteFile(file, picture, 0o644)
	})
}

// Expect allows errors that contain one of the parts, because the test provokes them: Chromium logs each response with a status of 400 or more
// and each failed connection. Firefox does not.
func (p *Page) Expect(parts ...string) { p.expected = append(p.expected, parts...) }
