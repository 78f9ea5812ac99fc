package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFaults: what is wrong with a page is found in each browser: errors of its scripts, violations of its content security policy, and what axe-core finds.
func TestFaults(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, `<!doctype html><title>x</title><link rel="icon" href="data:,"><img src="data:,x"><input><p style="color: red">red</p>`)
	}))
	defer site.Close()
	for _, kind := range Kinds {
		t.Run(string(kind), func(t *testing.T) {
			page := Start(t, kind).Open(t, site.URL, Desktop)
			page.Expect("") // everything
			page.Run(t, `console.error("this is wrong"); setTimeout(() => { throw new Error("this is thrown") })`)
			page.Run(t, `await new Promise((done) => setTimeout(done, 200))`)
			for _, want := range []string{"this is wrong", "this is thrown", "content security policy"} {
				if faults := page.faults.String(); !strings.Contains(strings.ToLower(faults), want) {
					t.Errorf("%q is not among the faults:\n%s", want, faults)
				}
			}
			barriers := page.Barriers(t)
			for _, want := range []string{"image-alt", "label", "html-has-lang"} {
				if !strings.Contains(barriers, want) {
					t.Errorf("%q is not among the barriers:\n%s", want, barriers)
				}
			}
		})
	}
}
