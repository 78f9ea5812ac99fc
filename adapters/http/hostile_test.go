package http_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
)

// tokenOf makes a token for any time and secret.
func tokenOf(secret string, at time.Time, user string) string {
	signed := fmt.Sprintf("%d:%s", at.Unix(), user)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + ":" + strings.ToUpper(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// hostile is a request that must be refused: with one of the statuses, where 0 is a closed connection without an answer.
type hostile struct {
	name     string
	raw      string
	statuses []int
}

// TestHostileRequests sends what no well-behaved client would send. Whatever it is, it is refused as it should be, never as a fault
// of the server; nothing of it is done; and the server serves the next client.
func TestHostileRequests(t *testing.T) {
	r := start(t)
	r.knows(t, mark, spreed, domain.Away, "untouched")
	r.knows(t, mark, xmpp, domain.Available, "")
	good := r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":"changed"}}`)
	for _, test := range slices.Concat(hostileDocuments(r, good), hostileTokens(), hostileHTTP(good)) {
		t.Run(test.name, func(t *testing.T) {
			before := r.state()
			got := raw(t, r.Server, test.raw)
			if !slices.Contains(test.statuses, got.status) || got.status >= 500 {
				t.Errorf("status %d, want one of %v: %s", got.status, test.statuses, got.body)
			}
			if got.status != 0 {
				got.problem(t)
			}
			if after := r.state(); after != before {
				t.Fatalf("the state has changed from\n%sto\n%s", before, after)
			}
			if got := r.do(t, "GET", r.body(mark, `{"user_id":"markd@zarafa.com"}`)); got.status != 200 || !strings.Contains(got.body, "untouched") {
				t.Fatalf("afterwards: %d %s", got.status, got.body)
			}
		})
	}
}

// put wraps a document in a request.
func put(body string) string {
	return fmt.Sprintf("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func hostileDocuments(r *running, good string) []hostile {
	entry := func(entries string) string { return put(r.body(mark, entries)) }
	value := func(v string) string { return entry(`{"user_id":"markd@zarafa.com","spreed":` + v + `}`) }
	user := func(id string) string { return entry(`{"user_id":"` + id + `","spreed":{"status":"busy"}}`) }
	with := func(old, new string) string { return put(strings.Replace(good, old, new, 1)) }
	long := strings.Repeat("x", domain.MaxMessage+1)
	many := strings.Repeat(`{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}},`, 10_001)
	bad, unprocessable := []int{400}, []int{422}
	return []hostile{
		{"no body", put(""), bad},
		{"white space", put("   "), bad},
		{"not JSON", put("<xml/>"), bad},
		{"a form", put("AuthenticationToken=x&Type=UserStatus"), bad},
		{"null", put("null"), bad},
		{"an array", put("[" + good + "]"), bad},
		{"truncated", put(good[:len(good)-1]), bad},
		{"half", put(good[:len(good)/2]), bad},
		{"trailing document", put(good + good), bad},
		{"trailing NUL", put(good + "\x00"), bad},
		{"byte order mark", put("\ufeff" + good), bad},
		{"UTF-16", put("\xff\xfe{\x00}\x00"), bad},
		{"deep arrays", with(`"Type"`, `"x":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`,"Type"`), bad},
		{"deep objects, open", put(strings.Repeat(`{"a":`, 150_000)), bad},
		{"a huge number of keys", with(`"spreed"`, strings.TrimSuffix(strings.Repeat(`"p":{"status":"busy"},`, 40_000), ",")+`,"spreed"`), bad},
		{"type twice", with(`"Type"`, `"Type":"UserStatus","Type"`), bad},
		{"users twice", with(`"Type"`, `"UserStatus":[],"Type"`), bad},
		{"token twice", with(`"Type"`, `"AuthenticationToken":"x","Type"`), bad},
		{"user twice", with(`"user_id"`, `"user_id":"alice@example.test","user_id"`), bad},
		{"protocol twice", with(`"spreed"`, `"spreed":{"status":"away"},"spreed"`), bad},
		{"status twice", with(`"status"`, `"status":"away","status"`), bad},
		{"another type", with(`"UserStatus"`, `"UserState"`), bad},
		{"type a number", with(`"UserStatus"`, `1`), bad},
		{"token a number", put(`{"AuthenticationToken":1,"Type":"UserStatus","UserStatus":[]}`), bad},
		{"token null", put(`{"AuthenticationToken":null,"Type":"UserStatus","UserStatus":[]}`), bad},
		{"token an object", put(`{"AuthenticationToken":{},"Type":"UserStatus","UserStatus":[]}`), bad},
		{"users an object", put(`{"Type":"UserStatus","UserStatus":{"user_id":"markd@zarafa.com"}}`), bad},
		{"users missing", put(`{"Type":"UserStatus"}`), bad},
		{"entry a string", entry(`"markd@zarafa.com"`), bad},
		{"entry null", entry(`null`), bad},
		{"user missing", entry(`{"spreed":{"status":"busy"}}`), bad},
		{"user a number", entry(`{"user_id":7,"spreed":{"status":"busy"}}`), bad},
		{"user an array", entry(`{"user_id":["markd@zarafa.com"],"spreed":{"status":"busy"}}`), bad},
		{"protocol a string", value(`"busy"`), bad},
		{"protocol null", value(`null`), bad},
		{"status missing", value(`{"message":"changed"}`), bad},
		{"status a number", value(`{"status":1}`), bad},
		{"status true", value(`{"status":true}`), bad},
		{"message a number", value(`{"status":"busy","message":1}`), bad},
		{"message an object", value(`{"status":"busy","message":{}}`), bad},
		{"message not UTF-8", value("{\"status\":\"busy\",\"message\":\"\xff\xfe\"}"), bad},
		{"message overlong UTF-8", value("{\"status\":\"busy\",\"message\":\"\xc0\x80\"}"), bad},
		{"message half a surrogate pair", value(`{"status":"busy","message":"\ud800"}`), bad},
		{"message with a raw NUL", value("{\"status\":\"busy\",\"message\":\"\x00\"}"), bad},
		{"message with a raw newline", value("{\"status\":\"busy\",\"message\":\"\n\"}"), bad},

		{"unknown status", value(`{"status":"lunch"}`), unprocessable},
		{"status in upper case", value(`{"status":"BUSY"}`), unprocessable},
		{"empty status", value(`{"status":""}`), unprocessable},
		{"message of 4097 bytes", value(`{"status":"busy","message":"` + long + `"}`), unprocessable},
		{"status of 4097 bytes", value(`{"status":"` + long + `"}`), unprocessable},
		{"unknown protocol", entry(`{"user_id":"markd@zarafa.com","carrier pigeon":{"status":"busy"}}`), unprocessable},
		{"empty protocol", entry(`{"user_id":"markd@zarafa.com","":{"status":"busy"}}`), unprocessable},
		{"protocol with a NUL", entry(`{"user_id":"markd@zarafa.com","spreed\u0000":{"status":"busy"}}`), unprocessable},
		{"read-only protocol", entry(`{"user_id":"markd@zarafa.com","xmpp":{"status":"busy"}}`), unprocessable},
		{"empty id", user(""), unprocessable},
		{"id without a domain", user("markd"), unprocessable},
		{"id with two @", user("markd@zarafa.com@zarafa.com"), unprocessable},
		{"id with a control character", user(`markd\u0007@zarafa.com`), unprocessable},
		{"id with a newline", user(`markd@zarafa.com\n`), unprocessable},
		{"id with a NUL", user(`markd\u0000@zarafa.com`), unprocessable},
		{"id with a right-to-left override", user(`markd\u202e@zarafa.com`), unprocessable},
		{"id with markup", user(`<script>@zarafa.com`), unprocessable},
		{"id with a slash", user(`../markd@zarafa.com`), unprocessable},
		{"id of 100 kB", user(strings.Repeat("m", 100_000) + "@zarafa.com"), unprocessable},
		{"one bad entry of many", entry(strings.Repeat(`{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}},`, 500) + `{"user_id":"markd@zarafa.com","spreed":{"status":"x"}}`), unprocessable},

		{"another user", user(alice), []int{403}},
		{"another user among others", entry(`{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}},{"user_id":"alice@example.test","spreed":{"status":"busy"}}`), []int{403}},
		{"10,001 users", entry(strings.TrimSuffix(many, ",")), []int{413}},
		{"a body of 1 MiB and a byte", put(good + strings.Repeat(" ", http.MaxBody+1-len(good))), []int{413}},
		{"a body of 8 MiB", put(strings.Repeat("x", 8<<20)), []int{413, 0}},
	}
}

func hostileTokens() []hostile {
	as := func(token string) string {
		return put(`{"AuthenticationToken":"` + token + `","Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}}]}`)
	}
	now := time.Now()
	refused := []int{401}
	return []hostile{
		{"token missing", put(`{"Type":"UserStatus","UserStatus":[{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}}]}`), refused},
		{"token empty", as(""), refused},
		{"token of colons", as("::"), refused},
		{"token forged", as(tokenOf("GEHEIM", now, mark)), refused},
		{"token made without a secret", as(tokenOf("", now, mark)), refused},
		{"token expired", as(tokenOf(secret, now.Add(-time.Hour), mark)), refused},
		{"token of the future", as(tokenOf(secret, now.Add(time.Hour), mark)), refused},
		{"token without its mac", as(fmt.Sprintf("%d:%s:", now.Unix(), mark)), refused},
		{"token in lower case", as(strings.ToLower(tokenOf(secret, now, mark))), refused},
		{"token with a NUL", as(tokenOf(secret, now, mark) + `\u0000`), refused},
		{"token of 500 kB", as(strings.Repeat("1:", 250_000)), refused},
		{"token for nobody", as(tokenOf(secret, now, "")), refused},
		{"token for no user id", as(tokenOf(secret, now, "markd")), refused},
	}
}

func hostileHTTP(good string) []hostile {
	head := func(lines string) string { return "PUT / HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n" }
	length := fmt.Sprintf("Content-Length: %d\r\n", len(good))
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(good), good)
	bad, badOrNothing := []int{400}, []int{400, 0}
	return []hostile{
		{"nothing", "", []int{0}},
		{"a newline", "\r\n", badOrNothing},
		{"noise", "\x00\x01\x02\x03\xff\xfe\r\n\r\n", badOrNothing},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\xaa", 200), badOrNothing},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bad},
		{"HTTP/0.9", "GET /\r\n\r\n", bad},
		{"HTTP/7.3", strings.Replace(put(good), "HTTP/1.1", "HTTP/7.3", 1), bad},
		{"no method", " / HTTP/1.1\r\n\r\n", bad},
		{"unknown method", strings.Replace(put(good), "PUT", "BREW", 1), []int{405}},
		{"method of 1 kB", strings.Replace(put(good), "PUT", strings.Repeat("PUT", 400), 1), []int{405}},
		{"DELETE", strings.Replace(put(good), "PUT", "DELETE", 1), []int{405}},
		{"CONNECT", "CONNECT example.test:443 HTTP/1.1\r\nHost: x\r\n\r\n", []int{404, 405}},
		{"another path", strings.Replace(put(good), "PUT /", "PUT /etc/passwd", 1), []int{404}},
		{"path of 20 kB", "GET /" + strings.Repeat("a", 20_000) + " HTTP/1.1\r\nHost: x\r\n\r\n", []int{431}},
		{"header of 20 kB", head("X: " + strings.Repeat("a", 20_000) + "\r\n"), []int{431}},
		{"1,000 headers", head(strings.Repeat("X: a\r\n", 3000)), []int{431}},
		{"endless header", head(strings.Repeat("X", 1<<20)), []int{431}},
		{"no Host", strings.Replace(put(good), "Host: x\r\n", "", 1), bad},
		{"empty Host", strings.Replace(put(good), "Host: x", "Host:", 1), bad}, // an http URI has a host (RFC 9110, 4.2.1)
		{"no Host, but the path has one", strings.Replace(put(good), "/ HTTP/1.1\r\nHost: x\r\n", "http://x/ HTTP/1.1\r\n", 1), bad},
		{"what is nearly Host", strings.Replace(put(good), "Host: x", "Hosts: x", 1), bad},
		{"Host twice", head("host: x\r\n"+length) + good, bad},
		{"Host twice, in HTTP/1.0", strings.Replace(head("Host: y\r\n"+length), "HTTP/1.1", "HTTP/1.0", 1) + good, bad},
		{"two hosts in Host", strings.Replace(put(good), "Host: x", "Host: x y", 1), bad},
		{"Host with a path", strings.Replace(put(good), "Host: x", "Host: x/etc", 1), bad},
		{"Host with a user", strings.Replace(put(good), "Host: x", "Host: a@x", 1), bad},
		{"header without a colon", head("X\r\n"+length) + good, bad},
		{"header with a space before the colon", head("Content-Length : 5\r\n") + good, bad},
		{"folded header", head("X: a\r\n b\r\n"+length) + good, bad},
		{"NUL in a header", head("X: a\x00b\r\n"+length) + good, bad},
		{"negative Content-Length", head("Content-Length: -1\r\n") + good, bad},
		{"Content-Length with a sign", head(fmt.Sprintf("Content-Length: +%d\r\n", len(good))) + good, bad},
		{"Content-Length in hexadecimal", head("Content-Length: 0xff\r\n") + good, bad},
		{"Content-Length empty", head("Content-Length:\r\n") + good, bad},
		{"Content-Length of two values", head(fmt.Sprintf("Content-Length: %d, %d\r\n", len(good), len(good))) + good, bad},
		{"Content-Length beyond 64 bits", head(fmt.Sprintf("Content-Length: 1844674407370955%d\r\n", 161600+len(good)+16)) + good, []int{400, 413}},
		{"Content-Length twice", head(length+length) + good, bad},
		{"Content-Length twice, not the same", head("Content-Length: 5\r\n"+length) + good, bad},
		{"Content-Length greater than the body", head(fmt.Sprintf("Content-Length: %d\r\n", len(good)+10)) + good, badOrNothing},
		{"Content-Length less than the body", head(fmt.Sprintf("Content-Length: %d\r\n", len(good)-10)) + good, bad},
		{"Content-Length and chunks", head(length+"Transfer-Encoding: chunked\r\n") + chunks, bad},
		{"chunks and Content-Length", head("Transfer-Encoding: chunked\r\n"+length) + chunks, bad},
		{"Transfer-Encoding twice", head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + chunks, bad},
		{"Transfer-Encoding identity", head("Transfer-Encoding: identity\r\n"+length) + good, bad},
		{"Transfer-Encoding gzip", head("Transfer-Encoding: gzip, chunked\r\n") + chunks, bad},
		{"Transfer-Encoding misspelt", head("Transfer-Encoding: xchunked\r\n") + chunks, bad},
		{"chunk size not a number", head("Transfer-Encoding: chunked\r\n") + "xyz\r\n" + good + "\r\n0\r\n\r\n", bad},
		{"chunk size negative", head("Transfer-Encoding: chunked\r\n") + "-5\r\n" + good + "\r\n0\r\n\r\n", bad},
		{"chunk size beyond 64 bits", head("Transfer-Encoding: chunked\r\n") + "fffffffffffffffff\r\n" + good, []int{400, 413}},
		{"chunk size enormous", head("Transfer-Encoding: chunked\r\n") + "7fffffffffffff\r\n" + good, []int{400, 413}},
		{"chunk longer than announced", head("Transfer-Encoding: chunked\r\n") + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(good)-5, good), bad},
		{"chunks of more than 1 MiB", head("Transfer-Encoding: chunked\r\n") + strings.Repeat("10000\r\n"+strings.Repeat(" ", 0x10000)+"\r\n", 17) + "0\r\n\r\n", []int{413}},
		{"chunks cut off", head("Transfer-Encoding: chunked\r\n") + chunks[:len(chunks)/2], badOrNothing},
		{"last chunk missing", head("Transfer-Encoding: chunked\r\n") + strings.TrimSuffix(chunks, "0\r\n\r\n"), badOrNothing},
		{"gzip", head("Content-Encoding: gzip\r\nContent-Length: 10\r\n") + "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", bad},
		{"multipart", head("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 8\r\n") + "--b--\r\n\r\n", bad},
	}
}

// TestHosts sends what looks odd and is right.
func TestHosts(t *testing.T) {
	r := start(t)
	body := r.body(mark, `{"user_id":"markd@zarafa.com"}`)
	for _, head := range []string{
		"GET / HTTP/1.0\r\n",
		"GET / HTTP/1.0\r\nHost: x\r\n",
		"GET / HTTP/1.1\r\nhOST:presence.example.test:1234\r\n",
		"GET / HTTP/1.1\r\nX: a\r\nHost: [2001:db8::1]:1234\r\n",
		"GET http://presence.example.test/ HTTP/1.1\r\nHost: presence.example.test\r\n",
	} {
		if got := raw(t, r.Server, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)); got.status != 200 {
			t.Errorf("%q: %d %s", head, got.status, got.body)
		}
	}
}

// TestSmuggledRequestIsNotServed sends a second request where another implementation would see the first one's body.
func TestSmuggledRequestIsNotServed(t *testing.T) {
	r := start(t)
	inner := put(r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}}`))
	outer := fmt.Sprintf("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", len(inner)+5)
	before := r.state()
	c := dial(t, r.Server)
	defer c.Close()
	if _, err := io.WriteString(c, outer+inner); err != nil {
		t.Fatal(err)
	}
	from := bufio.NewReader(c)
	if got := readAnswer(t, from); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := readAnswer(t, from); got.status != 0 {
		t.Errorf("the smuggled request was answered: %d %s", got.status, got.body)
	}
	if after := r.state(); after != before {
		t.Errorf("the state has changed to\n%s", after)
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	r := start(t)
	const n = 50
	var all strings.Builder
	for i := range n {
		body := r.body(mark, fmt.Sprintf(`{"user_id":"markd@zarafa.com","board":{"status":"busy","message":"%d"}}`, i))
		fmt.Fprintf(&all, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	c := dial(t, r.Server)
	defer c.Close()
	if _, err := io.WriteString(c, all.String()); err != nil {
		t.Fatal(err)
	}
	from := bufio.NewReader(c)
	for i := range n {
		if got := readAnswer(t, from); got.status != 200 || !strings.Contains(got.body, fmt.Sprintf(`"message":"%d"`, i)) {
			t.Fatalf("answer %d: %d %s", i, got.status, got.body)
		}
	}
}

// slow makes the time-outs short, so that a test can wait for them.
func slow(cfg *http.Config) {
	cfg.HeaderTimeout, cfg.ReadTimeout, cfg.IdleTimeout = 100*time.Millisecond, 200*time.Millisecond, 100*time.Millisecond
}

// TestSlowClientsAreCutOff sends a byte now and then, for ever. Its connection does not outlive the time-outs.
func TestSlowClientsAreCutOff(t *testing.T) {
	r := start(t, slow)
	for name, begin := range map[string]string{
		"in the header": "GET / HTTP/1.1\r\nX: ",
		"in the body":   "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
		"in a chunk":    "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, r.Server)
			defer c.Close()
			_, _ = io.WriteString(c, begin)
			stop := make(chan struct{})
			defer close(stop)
			go func() {
				drip := time.NewTicker(20 * time.Millisecond)
				defer drip.Stop()
				for {
					select {
					case <-stop:
						return
					case <-drip.C:
						_, _ = io.WriteString(c, "a")
					}
				}
			}()
			began := time.Now()
			if got := readAnswer(t, bufio.NewReader(c)); got.status != 408 {
				t.Errorf("%d %s", got.status, got.body)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("cut off after %v", took)
			}
		})
	}
	if got := r.do(t, "GET", r.body(mark, "")); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	r := start(t, slow)
	c := dial(t, r.Server)
	defer c.Close()
	from := bufio.NewReader(c)
	_, _ = io.WriteString(c, put(r.body(mark, "")))
	if got := readAnswer(t, from); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if _, err := from.ReadByte(); err != io.EOF {
		t.Errorf("reading on: %v, want the end", err)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	r := start(t, func(cfg *http.Config) { cfg.MaxConnections = 3 })
	for range 3 {
		c := dial(t, r.Server)
		_, _ = io.WriteString(c, put(r.body(mark, "")))
		if got := readAnswer(t, bufio.NewReader(c)); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		defer c.Close()
	}
	c := dial(t, r.Server)
	got := readAnswer(t, bufio.NewReader(c))
	if got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", got.status, got.body)
	}
	got.problem(t)
	_ = c.Close()
}
