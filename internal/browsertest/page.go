package browsertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Page is a tab. It closes with the test at the latest.
type Page struct {
	ctx    context.Context //nolint:containedctx // chromedp identifies a tab by a context
	cancel context.CancelFunc
	close  sync.Once

	mu       sync.Mutex
	expected []string
	faults   []string
}

// Open opens a URL in a new tab.
func (b *Browser) Open(t testing.TB, url string, look Look) *Page {
	t.Helper()
	p := new(Page)
	p.ctx, p.cancel = chromedp.NewContext(b.ctx)
	t.Cleanup(func() {
		p.Close()
		p.check(t)
	})
	if err := chromedp.Listen(p.ctx, p.collect); err != nil {
		t.Fatal(err)
	}
	p.Look(t, look)
	p.Visit(t, url)
	return p
}

// Close closes the tab, as a user would.
func (p *Page) Close() {
	p.close.Do(func() {
		ctx, cancel := context.WithTimeout(p.ctx, timeout)
		defer cancel()
		_ = chromedp.Cancel(ctx) // the browser may have ended
		p.cancel()
	})
}

// Look changes the window size and the colour scheme.
func (p *Page) Look(t testing.TB, look Look) {
	t.Helper()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme()}}}
	p.do(t, "emulating a window", chromedp.EmulateViewport(look.Width, look.Height), call(emulation.SetEmulatedMedia, media))
}

// Visit opens a URL in this tab and waits until the page is loaded.
func (p *Page) Visit(t testing.TB, url string) {
	t.Helper()
	p.do(t, "opening "+url, chromedp.Navigate(url))
}

// Back starts going back in the history. The browser may show the earlier page from its cache without loading it.
func (p *Page) Back(t testing.TB) {
	t.Helper()
	Eval[int](t, p, `setTimeout(() => history.back())`)
}

// Press presses keys; chromedp/kb has names for special ones.
func (p *Page) Press(t testing.TB, keys string) {
	t.Helper()
	p.do(t, fmt.Sprintf("pressing %q", keys), chromedp.KeyEvent(keys))
}

// Type types text into the element that a CSS selector finds.
func (p *Page) Type(t testing.TB, selector, text string) {
	t.Helper()
	p.do(t, "typing into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Click clicks on the element that a CSS selector finds.
func (p *Page) Click(t testing.TB, selector string) {
	t.Helper()
	p.do(t, "clicking on "+selector, chromedp.Click(chromedp.CSS(selector)))
}

func (p *Page) do(t testing.TB, what string, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	for _, action := range actions {
		run(t, p, what, action)
	}
}

// run runs an action and returns its value. If that fails, so does the test, with the page's errors.
func run[T any](t testing.TB, p *Page, what string, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatalf("%s: %v\n%s", what, err, p.told())
	}
	return value
}

func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// Eval returns the value of a JavaScript expression. It awaits a promise.
func Eval[T any](t testing.TB, p *Page, expression string) T {
	t.Helper()
	return run(t, p, expression, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Run runs JavaScript statements, which may use await.
func (p *Page) Run(t testing.TB, statements string) {
	t.Helper()
	Eval[bool](t, p, "(async () => {"+statements+"\n})().then(() => true)")
}

// Until waits until a JavaScript expression is true and returns how long that took. It evaluates the expression in every frame. The page may
// navigate meanwhile.
func (p *Page) Until(t testing.TB, what, expression string) time.Duration {
	t.Helper()
	script := fmt.Sprintf(`new Promise((resolve) => {
		const look = () => {
			let is = false;
			try { is = Boolean(%s) } catch {}
			if (is) resolve(is); else requestAnimationFrame(look);
		};
		look();
	})`, expression)
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) { // an error: the page has navigated
		_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](script, chromedp.EvalAwaitPromise))
		if err == nil {
			return time.Since(begin)
		}
		if ctx.Err() != nil {
			t.Fatalf("not within %v: %s (%s)\n%s\nthe page shows:\n%s", timeout, what, expression, p.told(), Eval[string](t, p, "document.body.innerText"))
		}
	}
}

// Screenshot writes a picture of the window, or of the whole page, to dir/name.png.
func (p *Page) Screenshot(t testing.TB, dir, name string, whole bool) {
	t.Helper()
	take := chromedp.CaptureScreenshot()
	if whole {
		take = chromedp.FullScreenshot(100)
	}
	picture := run(t, p, "taking the picture "+name, take)
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Expect allows errors that contain one of the parts, because the test provokes them: Chromium logs each response with a status of 400 or more
// and each failed connection.
func (p *Page) Expect(parts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = append(p.expected, parts...)
}

// collect collects the errors and warnings of the page.
func (p *Page) collect(event any) {
	switch event := event.(type) {
	case *log.EventEntryAdded:
		if event.Entry.Level == log.EntryLevelError || event.Entry.Level == log.EntryLevelWarning {
			p.fault(fmt.Sprintf("%s: %s %s", event.Entry.Source, event.Entry.Text, event.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.ConsoleAPICalledTypeError || event.Type == runtime.ConsoleAPICalledTypeWarning || event.Type == runtime.ConsoleAPICalledTypeAssert {
			var parts []string
			for _, arg := range event.Args {
				parts = append(parts, string(arg.Value)+arg.Description)
			}
			p.fault("console: " + strings.Join(parts, " "))
		}
	case *runtime.EventExceptionThrown:
		text := event.ExceptionDetails.Text
		if event.ExceptionDetails.Exception != nil {
			text += " " + event.ExceptionDetails.Exception.Description
		}
		p.fault("exception: " + text)
	}
}

func (p *Page) fault(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, text)
}

// told returns the errors of the page so far.
func (p *Page) told() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.faults, "\n")
}

// check fails the test for every error of the page that was not expected.
func (p *Page) check(t testing.TB) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, fault := range p.faults {
		if !slices.ContainsFunc(p.expected, func(part string) bool { return strings.Contains(fault, part) }) {
			t.Errorf("in the page: %s", fault)
		}
	}
}
