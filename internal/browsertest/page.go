package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/zarafa/presence/internal/syncbuffer"
)

// Page is a tab. It is for the test's goroutine.
type Page struct {
	// Close closes the tab, as a user would. It may be called again. The end of the test closes it, too.
	Close func()

	ctx context.Context //nolint:containedctx // chromedp identifies a tab by a context

	expected []string
	faults   syncbuffer.Buffer // a line each
}

// Open opens a URL in a new tab.
func (b *Browser) Open(t testing.TB, url string, look Look) *Page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	p := &Page{ctx: ctx, Close: sync.OnceFunc(func() { closeProperly(ctx, cancel) })}
	t.Cleanup(func() {
		p.Close()
		for fault := range strings.Lines(p.faults.String()) {
			if !slices.ContainsFunc(p.expected, func(part string) bool { return strings.Contains(fault, part) }) {
				t.Errorf("in the page: %s", fault)
			}
		}
	})
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.Scheme}}}
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
	if err := errors.Join(err, chromedp.Listen(ctx, p.collect)); err != nil {
		t.Fatal(err)
	}
	p.Do(t, chromedp.EmulateViewport(look.Width, look.Height), chromedp.Navigate(url))
	return p
}

// Do does what a user would, such as chromedp.Click.
func (p *Page) Do(t testing.TB, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	run(t, p, "the page", chromedp.Steps(actions...))
}

// run runs an action and returns its value. If that fails, so does the test, with the page's errors.
func run[T any](t testing.TB, p *Page, what string, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatalf("%s: %v\n%s", what, err, p.faults.String())
	}
	return value
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

// Until waits until a JavaScript expression is true and returns how long that took. The page may navigate meanwhile.
func (p *Page) Until(t testing.TB, what, expression string) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")")) // an error: it is about what is not there yet
		if err == nil && holds {
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
	if err := os.WriteFile(file, run(t, p, file, chromedp.CaptureScreenshot()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Expect allows errors that contain one of the parts, because the test provokes them: Chromium logs each response with a status of 400 or more
// and each failed connection.
func (p *Page) Expect(parts ...string) { p.expected = append(p.expected, parts...) }

// collect collects the errors and warnings of the page.
func (p *Page) collect(event any) {
	fault := ""
	switch event := event.(type) {
	case *log.EventEntryAdded:
		if entry := event.Entry; entry.Level == log.EntryLevelError || entry.Level == log.EntryLevelWarning {
			fault = fmt.Sprintf("%s: %s %s", entry.Source, entry.Text, entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.ConsoleAPICalledTypeError || event.Type == runtime.ConsoleAPICalledTypeWarning || event.Type == runtime.ConsoleAPICalledTypeAssert {
			fault = "console:"
			for _, arg := range event.Args {
				fault += " " + string(arg.Value) + arg.Description
			}
		}
	case *runtime.EventExceptionThrown:
		fault = "exception: " + event.ExceptionDetails.Text
		if thrown := event.ExceptionDetails.Exception; thrown != nil {
			fault += " " + thrown.Description
		}
	}
	if fault != "" {
		fmt.Fprintln(&p.faults, strings.Join(strings.Fields(fault), " "))
	}
}
