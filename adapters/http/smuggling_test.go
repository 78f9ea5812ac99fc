package http_test

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
)

// hostileNames are header lines whose names are no tokens, or whose values have control characters (RFC 9110, 5.1 and 5.5). Another implementation
// may understand each of them as one that tells where the body ends, or ends the header.
var hostileNames = []string{
	"Content-Length\x0c: %d",
	"Content-Length\x0b: %d",
	"Content-Length\x00: %d",
	"Content-Length\x1f: %d",
	"Content-Length\x7f: %d",
	"Content-Length\xa0: %d",
	"Content-Length\u00a0: %d",
	"\x0cContent-Length: %d",
	"\x01Content-Length: %d",
	"\"Content-Length\": %d",
	"(Content-Length): %d",
	"Content-Length;: %d",
	"Content Length: %d",
	"Content-Length\t: %d",
	"Content-L\xc3\xa9ngth: %d",
	"Content-Length=: %d",
	"X/Content-Length: %d",
	": %d",
	":: %d",
	"X: a\x01b\r\nX-Length: %d",
	"X: a\x00b\r\nX-Length: %d",
	"X: a\x0bb\r\nX-Length: %d",
	"X: a\x7fb\r\nX-Length: %d",
	"X: a\rContent-Length: %d",
	"X: \x1b[2J%d",
	"User-Agent: a\x01b\r\nX-Length: %d",
	"\"Transfer-Encoding\": chunked\r\nX-Length: %d",
	"Transfer-Encoding\x0c: chunked\r\nX-Length: %d",
	"Transfer-Encoding: \x0bchunked\r\nX-Length: %d",
}

// TestNamesThatAreNoTokens sends each of these lines and a request where its body would be. The first request is refused, and the second one is
// never read.
func TestNamesThatAreNoTokens(t *testing.T) {
	r := start(t)
	inner := put(r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}}`))
	for _, line := range hostileNames {
		for _, first := range []string{"GET /v1/sources", "GET /docs", "PUT /"} {
			c := dial(t, r.Server)
			_, _ = fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+line+"\r\n\r\n%s", first, r.tokens.Issue(mark), len(inner), inner)
			from := bufio.NewReader(c)
			if got := parseAnswer(t, from); got.status != 400 {
				t.Errorf("%s with %q: %d %.80s", first, line, got.status, got.body)
			}
			if got := parseAnswer(t, from); got.status != 0 {
				t.Errorf("%s with %q: then %d %.80s", first, line, got.status, got.body)
			}
			_ = c.Close()
		}
	}
	if state := r.state(); state != "" {
		t.Errorf("what was smuggled was carried out: %s", state)
	}
}

// TestUnusualHeaders sends what is allowed: every character of a token, tabs, and bytes that are not ASCII in values.
func TestUnusualHeaders(t *testing.T) {
	r := start(t)
	body := r.body(mark, "")
	for _, line := range []string{
		"!#$%&'*+-.^_`|~09azAZ: x", "X:", "X: a\tb", "X: \xc3\xa9\xff", "x-real-ip:\t127.0.0.1\t", "X: a: b", `X: "a", (b)`, "X: a\r\nX: b",
	} {
		c := dial(t, r.Server)
		_, _ = io.WriteString(c, fmt.Sprintf("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n", len(body))+line+"\r\n\r\n"+body)
		if got := readAnswer(t, bufio.NewReader(c)); got.status != 200 || !strings.Contains(got.body, "UserStatus") {
			t.Errorf("%q: %d %s", line, got.status, got.body)
		}
		_ = c.Close()
	}
}
