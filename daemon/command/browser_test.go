package command

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/browsertest"
	"github.com/zarafa/presence/internal/faultproxy"
)

// intranet is another site on another host, whose pages use the daemon: it knows who is logged in and hands out tokens. Its pages have a content
// security policy that is as strict as it can be with modules of the daemon.
type intranet struct {
	*httptest.Server
	daemon string       // where the pages find it
	tokens atomic.Int32 // how many it has handed out
	age    atomic.Int64 // of the tokens that it hands out, in nanoseconds

	loginPage atomic.Int64 // if not zero: /token answers with a page of so many bytes, and status 502
}

const intranetPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Intranet</title><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>
<main><p>Colleagues</p><div id="people"></div></main>
`

const intranetScript = `
import * as client from %q;
globalThis.client = client;
globalThis.user = new URLSearchParams(location.search).get("user");
globalThis.token = () => fetch("/token?user=" + encodeURIComponent(user)).then((answer) => answer.text());
globalThis.presence = client.connect({ token });
globalThis.seen = [];
`

func newIntranet(t *testing.T) *intranet {
	i := new(intranet)
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	return i
}

func (i *intranet) serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src 'self' %[1]s; connect-src 'self' %[1]s; img-src data:", i.daemon))
		_, _ = fmt.Fprint(w, intranetPage)
	case "/page.js":
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = fmt.Fprintf(w, intranetScript, i.daemon+"client.js")
	case "/token":
		i.tokens.Add(1)
		if size := i.loginPage.Load(); size > 0 {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = fmt.Fprintf(w, "<!doctype html><title>a: b@c :d</title>\n<p>%s</p>\n", strings.Repeat("x", int(size)))
			return
		}
		_, _ = fmt.Fprintln(w, agedToken(r.URL.Query().Get("user"), time.Duration(i.age.Load())))
	default:
		http.NotFound(w, r)
	}
}

// agedToken makes a token that was made some time ago.
func agedToken(user string, age time.Duration) string {
	signed := fmt.Sprintf("%d:%s", time.Now().Add(-age).Unix(), user)
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(signed))
	return signed + ":" + strings.ToUpper(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// open opens the intranet's page as somebody who is logged in there.
func (i *intranet) open(t *testing.T, browser *browsertest.Browser, user string) *browsertest.Page {
	t.Helper()
	page := browser.Open(t, i.URL+"/?user="+url.QueryEscape(user), browsertest.Desktop)
	page.Until(t, "the client is there", "globalThis.seen")
	return page
}

// office is a daemon, an intranet whose pages reach it through a proxy that can cut it off, and a browser.
type office struct {
	*daemon
	*intranet
	proxy   *faultproxy.Proxy
	browser *browsertest.Browser
	file    string // the daemon's configuration
}

// address is where the daemon listens.
func (o *office) address() string {
	return strings.TrimSuffix(strings.TrimPrefix(o.url, "http://"), "/")
}

// boss is a service.
const boss = "intranet@example.test"

// newOffice starts a daemon, an intranet and a proxy; and no browser.
func newOffice(t *testing.T, more string, environ ...string) *office {
	t.Helper()
	o := &office{intranet: newIntranet(t)}
	o.file = write(t, "zarafa-presence.yaml", fmt.Sprintf(`
http: {listen: 127.0.0.1:0, cors_origins: [%q]}
auth: {secret: %s, services: [%s]}
%s
`, o.URL, testSecret, boss, more))
	o.daemon = serve(t, environ, "--config", o.file)
	o.proxy = faultproxy.Start(t, o.address())
	o.intranet.daemon = "http://" + o.proxy.Addr() + "/"
	return o
}

// inChromium runs a test with an office and Chromium.
func inChromium(t *testing.T, more string, test func(t *testing.T, o *office)) {
	o := newOffice(t, more)
	o.browser = browsertest.Start(t, browsertest.Chromium)
	test(t, o)
}

// inBrowsers runs a test in each kind of browser at the same time, each with an office of its own.
func inBrowsers(t *testing.T, more string, test func(t *testing.T, o *office)) {
	for i, kind := range browsertest.Kinds {
		o := newOffice(t, more)
		o.together = i < len(browsertest.Kinds)-1
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			o.browser = browsertest.Start(t, kind)
			test(t, o)
		})
	}
}

// inFront is a site that has the daemon behind it, and hands out tokens itself.
func (o *office) inFront(t *testing.T) http.Handler {
	t.Helper()
	daemon, err := url.Parse(o.url)
	if err != nil {
		t.Fatal(err)
	}
	site := http.NewServeMux()
	site.HandleFunc("/token", o.serve)
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(daemon) }}
	site.Handle("/", proxy)
	return site
}

// put reports somebody's presence on spreed.
func (o *office) put(t *testing.T, user, status, message string) {
	t.Helper()
	o.putAll(t, fmt.Sprintf(`{"user_id":%q,"spreed":{"status":%q,"message":%q}}`, user, status, message))
}

func (o *office) putAll(t *testing.T, entries string) {
	t.Helper()
	if status, body := request(t, "PUT", o.url, token(t, secretEnv, boss), entries); status != 200 {
		t.Fatalf("PUT: %d %s", status, body)
	}
}

// set sets somebody's presence on a protocol, with the document of API v1.
func (o *office) set(t *testing.T, user, protocol, document string) {
	t.Helper()
	if status, body := v1(t, o.url, http.MethodPut, "users/"+url.PathEscape(user)+"/"+protocol, document); status != http.StatusNoContent {
		t.Fatalf("PUT of %s for %s: %d %s", document, user, status, body)
	}
}

// v1 sends a request of API v1 on behalf of boss.
func v1(t *testing.T, daemon, method, path, document string) (status int, body string) {
	t.Helper()
	return v1With(t, agedToken(boss, 0), daemon, method, path, document)
}

// v1With sends a request of API v1 with a token, or a code.
func v1With(t *testing.T, token, daemon, method, path, document string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, daemon+"v1/"+path, strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := (&http.Client{Transport: documented()}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}
