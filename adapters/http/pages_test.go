package http_test

import (
	"compress/gzip"
	"io"
	nethttp "net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/http"
)

// get asks for a page with the given header lines, and decompresses nothing.
func get(t *testing.T, server *http.Server, method, path string, header ...string) answer {
	t.Helper()
	request, err := nethttp.NewRequest(method, "http://"+server.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if method == nethttp.MethodHead {
		body = []byte(response.Header.Get("Content-Length"))
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}
}

// TestPages gets each page and all that it names, in every form.
func TestPages(t *testing.T) {
	server := start(t).Server
	todo := []string{"/board", "/docs", "/client.js", "/client.d.ts", "/favicon.ico"}
	seen := map[string]bool{}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		page := get(t, server, "GET", path)
		if page.status != 200 || page.body == "" {
			t.Fatalf("GET %s: %d, %d bytes", path, page.status, len(page.body))
		}
		checkPage(t, server, path, page)
		for _, match := range regexp.MustCompile(`(?:href|src)="([^"#:]+)"|from "(?:\.|\.\.)/([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
			found := match[1]
			if found == "" {
				found = match[2]
				if found != "client.js" {
					found = "assets/" + found
				}
			}
			todo = append(todo, "/"+found)
		}
	}
	for _, path := range []string{"/assets/board.js", "/assets/people.js", "/assets/row.js", "/assets/board.css", "/assets/icon.svg"} {
		if !seen[path] {
			t.Errorf("no page leads to %s", path)
		}
	}
}

var pageTypes = map[string]string{"": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".ts": "text/plain; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json", ".ico": "image/vnd.microsoft.icon"}

func checkPage(t *testing.T, server *http.Server, path string, page answer) {
	t.Helper()
	kind := ""
	if dot := strings.LastIndexByte(path, '.'); dot >= 0 {
		kind = path[dot:]
	}
	want := map[string]string{
		"Content-Type": pageTypes[kind], "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		"X-Frame-Options": "DENY", "Content-Encoding": "",
	}
	if strings.HasPrefix(path, "/client.") {
		want["Access-Control-Allow-Origin"] = "*"
	} else if kind != ".json" {
		want["Access-Control-Allow-Origin"] = ""
	}
	for name, value := range want {
		if got := page.header.Get(name); got != value {
			t.Errorf("%s: %s is %q, want %q", path, name, got, value)
		}
	}
	if kind == "" && regexp.MustCompile(`(?i)<style|\sstyle=|\son\w+=|<script[^>]*>[^<]|https?://[^"]*\.(js|css)`).MatchString(page.body) {
		t.Errorf("%s has something in it that its policy forbids", path)
	}
	tag := page.header.Get("ETag")
	if head := get(t, server, "HEAD", path); head.status != 200 || head.header.Get("ETag") != tag || head.body == "0" {
		t.Errorf("HEAD %s: %+v", path, head)
	}
	packed := get(t, server, "GET", path, "Accept-Encoding", "br, gzip;q=0.5")
	packedTag := packed.header.Get("ETag")
	if packed.header.Get("Content-Encoding") == "gzip" {
		reader, err := gzip.NewReader(strings.NewReader(packed.body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reader)
		if err != nil || string(text) != page.body || packedTag == tag || len(packed.body) >= len(page.body) {
			t.Errorf("%s compressed is another one, or larger, or has the same tag: %v", path, err)
		}
	} else if packed.body != page.body || packedTag != tag {
		t.Errorf("%s is another one for who accepts gzip", path)
	}
	for _, known := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if again := get(t, server, "GET", path, "If-None-Match", known); again.status != 304 || again.body != "" || again.header.Get("ETag") != tag {
			t.Errorf("%s with If-None-Match %s: %d", path, known, again.status)
		}
	}
	for _, other := range []string{`"x"`, strings.Trim(tag, `"`), `""`} {
		if again := get(t, server, "GET", path, "If-None-Match", other); again.status != 200 || again.body != page.body {
			t.Errorf("%s with If-None-Match %s: %d", path, other, again.status)
		}
	}
	for accepted, want := range map[string]string{"gzip;q=0": "", "gzip; q=0.000": "", "x-gzip": "", "deflate, GZIP": packed.header.Get("Content-Encoding")} {
		if got := get(t, server, "GET", path, "Accept-Encoding", accepted).header.Get("Content-Encoding"); got != want {
			t.Errorf("%s for Accept-Encoding %q is encoded as %q", path, accepted, got)
		}
	}
	if refused := get(t, server, "DELETE", path); refused.status != 405 || refused.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("DELETE %s: %d, Allow %q", path, refused.status, refused.header.Get("Allow"))
	}
}

// TestRootLeadsToTheBoard: a person who opens the daemon's address in a browser gets the board; a client of the original API, what it always got.
func TestRootLeadsToTheBoard(t *testing.T) {
	r := start(t)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	request, err := nethttp.NewRequest("GET", "http://"+r.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", browser)
	response, err := client.Transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != nethttp.StatusSeeOther || response.Header.Get("Location") != "board" || response.Header.Get("Vary") != "Accept" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	if got := send(t, r.Server, "GET", "/", "", "Accept: application/json"); got.status != 400 {
		t.Errorf("without a body: %d %s", got.status, got.body)
	}
	if got := send(t, r.Server, "GET", "/", r.body(mark, `{"user_id":"markd@zarafa.com"}`), "Accept: "+browser); got.status != 200 {
		t.Errorf("a query: %d %s", got.status, got.body)
	}
}
