// Package browsertest runs real browsers for tests: Chromium and Firefox from Debian's packages, headless. A page that logs an error, has an
// uncaught exception or violates its content security policy fails the test:
//
//	browser := browsertest.Start(t, browsertest.Firefox)
//	page := browser.Open(t, daemon.URL+"board", browsertest.Desktop)
//	page.Until(t, "alice is busy", `document.querySelector("#alice").className === "busy"`)
//
// If the browser is not installed the test fails; it is never skipped. The end-to-end tests of the board and of the web client use it.
//
// page.go says what a test can do with a page. chromium.go and firefox.go say how each browser does it: Chromium by the DevTools protocol,
// Firefox by WebDriver BiDi (bidi.go).
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

const timeout = 30 * time.Second // of every operation on a page

// Kind is a make of browser.
type Kind string

// The browsers.
const (
	Chromium Kind = "chromium"
	Firefox  Kind = "firefox"
)

// Kinds are all of them.
var Kinds = []Kind{Chromium, Firefox}

// Browser is a running browser with a profile of its own. It ends with the test.
type Browser struct {
	Kind Kind

	// Profile is the directory in which the browser keeps history, cookies and the like. Some of it is written only when the browser ends.
	Profile string

	// Close ends the browser, as a user would who closes its last window. It may be called again.
	Close func()

	program program
}

// program is a running browser.
type program interface {
	// open opens an empty tab. The browser calls fault with each error and each warning of its pages, from another goroutine.
	open(ctx context.Context, look Look, fault func(text string)) (tab, error)
	// close asks the browser to end, and returns when it has.
	close(ctx context.Context) error
}

// Start starts a browser with a fresh profile.
func Start(t testing.TB, kind Kind) *Browser {
	t.Helper()
	start := map[Kind]func(t testing.TB, profile string) (program, error){Chromium: startChromium, Firefox: startFirefox}[kind]
	b := &Browser{Kind: kind, Profile: t.TempDir()}
	var err error
	if b.program, err = start(t, b.Profile); err != nil {
		t.Fatalf("starting %s, of a Debian package that scripts/install-test-packages installs: %v", kind, err)
	}
	b.Close = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		if err := b.program.close(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("closing %s: %v", kind, err)
		}
	})
	t.Cleanup(b.Close)
	return b
}

// Look is a window's size in CSS pixels, a colour scheme, light or dark, and the language that the user prefers, such as de-AT. Only Chromium can take
// another language than its usual one, which is empty.
type Look struct {
	Width, Height int64
	Scheme        string
	Language      string
}

// Desktop is the usual window.
var Desktop = Look{Width: 1280, Height: 860, Scheme: "light"}

// Looks are the usual windows of a desktop and a phone, in both schemes.
var Looks = []Look{
	Desktop, {Width: 1280, Height: 860, Scheme: "dark"}, {Width: 360, Height: 740, Scheme: "light"}, {Width: 360, Height: 740, Scheme: "dark"},
}

// String returns the width and the scheme, e.g. 1280-dark.
func (l Look) String() string { return fmt.Sprintf("%d-%s", l.Width, l.Scheme) }
