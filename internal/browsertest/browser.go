// Package browsertest runs a real browser for tests: Chromium from Debian's package, headless. A page that logs an error, has an uncaught
// exception or violates its content security policy fails the test:
//
//	browser := browsertest.Start(t)
//	page := browser.Open(t, daemon.URL+"board", browsertest.Desktop)
//	page.Until(t, "alice is busy", `document.querySelector("#alice").className === "busy"`)
//
// If the browser is not installed the test fails; it is never skipped. The end-to-end tests of the board and of the web client use it.
package browsertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/zarafa/presence/internal/syncbuffer"
)

const (
	chromium = "/usr/bin/chromium"
	timeout  = 30 * time.Second // of every operation on a page
)

// Browser is a running Chromium. It ends with the test.
type Browser struct {
	ctx context.Context //nolint:containedctx // chromedp identifies a browser by a context
}

// Start starts a browser with a fresh profile.
func Start(t testing.TB) *Browser {
	t.Helper()
	var printed syncbuffer.Buffer
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.CombinedOutput(&printed), chromedp.DisableGPU,
		chromedp.NoSandbox) // the tests run as root
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		closeProperly(ctx, cancel)
		end()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting %s, of the Debian package chromium (scripts/install-test-packages): %v\n%s", chromium, err, printed.String())
	}
	return &Browser{ctx: ctx}
}

// closeProperly closes a browser or a tab.
func closeProperly(ctx context.Context, cancel func()) {
	ending, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	_ = chromedp.Cancel(ending) // it may have crashed
	cancel()
}

// Look is a window's size in CSS pixels, and a colour scheme: light or dark.
type Look struct {
	Width, Height int64
	Scheme        string
}

// Desktop is the usual window.
var Desktop = Look{1280, 860, "light"}

// Looks are the usual windows of a desktop and a phone, in both schemes.
var Looks = []Look{Desktop, {1280, 860, "dark"}, {360, 740, "light"}, {360, 740, "dark"}}

// String returns the width and the scheme, e.g. 1280-dark.
func (l Look) String() string { return fmt.Sprintf("%d-%s", l.Width, l.Scheme) }
