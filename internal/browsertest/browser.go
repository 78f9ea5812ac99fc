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
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const chromium = "/usr/bin/chromium"

// timeout limits every operation on a page.
const timeout = 30 * time.Second

// Browser is a running Chromium. It ends with the test.
type Browser struct {
	ctx context.Context //nolint:containedctx // chromedp identifies a browser by a context
}

// Start starts a browser with a fresh profile.
func Start(t testing.TB) *Browser {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		t.Fatalf("%v: install the Debian package chromium, or run scripts/install-test-packages", err)
	}
	printed, err := os.Create(filepath.Join(t.TempDir(), "chromium.log"))
	if err != nil {
		t.Fatal(err)
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(chromium), chromedp.CombinedOutput(printed),
		chromedp.Headless,  // without --user-data-dir chromedp makes a temporary one and removes it
		chromedp.NoSandbox, // the tests run as root
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.DisableGPU, chromedp.Flag("force-color-profile", "srgb"),
	}
	for _, what := range []string{"quic", "background-networking", "component-update", "sync", "default-apps", "extensions", "dev-shm-usage", "breakpad",
		"background-timer-throttling", "backgrounding-occluded-windows", "renderer-backgrounding"} { // the last three: treat every tab as a visible one
		options = append(options, chromedp.Flag("disable-"+what, true))
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		ending, stop := context.WithTimeout(ctx, 10*time.Second) // closes the browser properly
		defer stop()
		_ = chromedp.Cancel(ending) // it may have crashed
		cancel()
		end()
		_ = printed.Close()
	})
	if err := chromedp.Do(ctx); err != nil {
		text, _ := os.ReadFile(printed.Name())
		t.Fatalf("starting %s: %v\n%s", chromium, err, text)
	}
	return &Browser{ctx: ctx}
}

// Look is a window size and a colour scheme.
type Look struct {
	Width, Height int64 // in CSS pixels
	Dark          bool
}

// The usual windows of a desktop and a phone.
var (
	Desktop = Look{Width: 1280, Height: 860}
	Phone   = Look{Width: 360, Height: 740}
)

// InTheDark returns the same look with prefers-color-scheme: dark.
func (l Look) InTheDark() Look {
	l.Dark = true
	return l
}

// String returns the width and the scheme, e.g. 1280-dark.
func (l Look) String() string { return fmt.Sprintf("%d-%s", l.Width, l.scheme()) }

func (l Look) scheme() string {
	if l.Dark {
		return "dark"
	}
	return "light"
}
