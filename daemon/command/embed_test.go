package command

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/browsertest"
)

// behind is a proxy in front of a daemon that counts which paths are asked for. The daemon's pages are on its origin.
type behind struct {
	*httptest.Server

	mu    sync.Mutex
	asked map[string]int
}

func inFrontOf(t *testing.T, daemon string) *behind {
	t.Helper()
	target, err := url.Parse(daemon)
	if err != nil {
		t.Fatal(err)
	}
	b := &behind{asked: map[string]int{}}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.asked[r.URL.Path]++
		b.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *behind) times(path string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[path]
}

// TestBoardInFrame: a page of another origin shows the board inside itself if http.frame_ancestors lists it, else the browser does not let it.
func TestBoardInFrame(t *testing.T) {
	r := reloads(t, nil)
	daemon := inFrontOf(t, r.url)
	intranet := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Intranet</title><link rel="icon" href="data:,">
			<iframe title="Colleagues" width="600" height="400" src="%s/board#token=%s"></iframe>`, daemon.URL, url.QueryEscape(signed(testSecret, clerk, time.Now())))
	}))
	t.Cleanup(intranet.Close)
	page := browsertest.Start(t, browsertest.Chromium).Open(t, intranet.URL, browsertest.Desktop)
	page.Expect("frame-ancestors")
	if daemon.times("/board") != 1 || daemon.times("/assets/board.js") != 0 {
		t.Errorf("an origin that is not listed: %v", daemon.asked)
	}
	r.change(t, map[string]string{"http.frame_ancestors": "[" + intranet.URL + "]"})
	page.Navigate(t, "about:blank", intranet.URL)
	eventually(t, "the board in the frame is signed in", func() bool { return daemon.times("/v1/events") > 0 })
	r.change(t, map[string]string{"http.frame_ancestors": "[https://elsewhere.example.test]"})
	before := daemon.times("/assets/board.js")
	page.Navigate(t, "about:blank", intranet.URL)
	if daemon.times("/board") != 3 || daemon.times("/assets/board.js") != before {
		t.Errorf("another origin is listed: %v", daemon.asked)
	}
}

// TestBoardWithoutStorage: a browser may lend no storage to a frame. The board works, and forgets the token when it is left.
func TestBoardWithoutStorage(t *testing.T) {
	d := serve(t, secretEnv, "--http.listen=127.0.0.1:0", "--store.kind=memory", "--auth.services="+clerk)
	target, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("X-Frame-Options")
			r.Header.Del("Content-Security-Policy")
			return nil
		}}
	prepared := make(chan struct{})
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/page":
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Intranet</title><link rel="icon" href="data:,"><iframe title="Colleagues"></iframe>`)
		case "/prepared":
			close(prepared)
		case "/assets/board.js":
			select {
			case <-prepared:
			case <-r.Context().Done():
			}
			fallthrough
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(site.Close)
	page := browsertest.Start(t, browsertest.Chromium).Open(t, site.URL+"/page", browsertest.Desktop)
	page.Run(t, fmt.Sprintf(`
		globalThis.frame = document.querySelector("iframe");
		frame.src = "/board#token=" + encodeURIComponent(%q);
		while (!frame.contentDocument?.querySelector("#sign-in")) await new Promise((done) => setTimeout(done, 5));
		Object.defineProperty(frame.contentWindow, "sessionStorage", { get() { throw new DOMException("no storage here", "SecurityError") } });
		await fetch("/prepared");
	`, signed(testSecret, clerk, time.Now())))
	page.Until(t, "it is signed in", `frame.contentDocument.querySelector("#connection").innerText === "Live"`)
	page.Run(t, `frame.contentDocument.querySelector("#sign-out").click()`)
	page.Until(t, "it is signed out", `frame.contentDocument.querySelector("#token").checkVisibility()`)
}
