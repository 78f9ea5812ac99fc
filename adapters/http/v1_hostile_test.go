package http_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

// TestHostileV1Requests sends what no well-behaved client would send. Whatever it is, it is refused as it should be, never as a fault of the
// server; nothing of it is done; and the server serves the next client.
func TestHostileV1Requests(t *testing.T) {
	r := start(t)
	r.knows(t, mark, spreed, domain.Away, "untouched")
	r.knows(t, mark, xmpp, domain.Available, "")
	token := r.tokens.Issue(mark)
	tests := slices.Concat(hostileV1Documents(token), hostileV1URLs(token), hostileV1Headers(token))
	if len(tests) < 90 {
		t.Errorf("only %d requests", len(tests))
	}
	for _, test := range tests {
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
			if got := r.v1(t, alice, "GET", "/v1/users/"+mark, ""); got.status != 200 || !strings.Contains(got.body, "untouched") {
				t.Fatalf("afterwards: %d %s", got.status, got.body)
			}
		})
	}
}

// v1Request renders a request.
func v1Request(method, target, token, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", method, target, token, len(body), body)
}

const putMine = "/v1/users/markd@zarafa.com/spreed"

func hostileV1Documents(token string) []hostile {
	set := func(body string) string { return v1Request("PUT", putMine, token, body) }
	with := func(member string) string { return set(`{"status":"busy","message":"changed",` + member + `}`) }
	query := func(body string) string { return v1Request("POST", "/v1/users:query", token, body) }
	deep := strings.Repeat("[", 200_000)
	bad, unprocessable, tooLarge := []int{400}, []int{422}, []int{413}
	return []hostile{
		{"no body", set(""), bad},
		{"white space", set(" \n"), bad},
		{"null", set("null"), bad},
		{"an array", set(`[{"status":"busy"}]`), bad},
		{"a string", set(`"busy"`), bad},
		{"a form", set("status=busy"), bad},
		{"truncated", set(`{"status":"busy"`), bad},
		{"trailing document", set(`{"status":"busy"}{"status":"away"}`), bad},
		{"trailing NUL", set("{\"status\":\"busy\"}\x00"), bad},
		{"byte order mark", set("\ufeff{\"status\":\"busy\"}"), bad},
		{"single quotes", set(`{'status':'busy'}`), bad},
		{"a comment", set(`{"status":"busy"/*x*/}`), bad},
		{"a trailing comma", set(`{"status":"busy",}`), bad},
		{"NaN", with(`"ttl":NaN`), bad},
		{"status twice", with(`"status":"away"`), bad},
		{"status twice, once escaped", with(`"st\u0061tus":"away"`), bad},
		{"message twice", with(`"message":"x"`), bad},
		{"status in another case", set(`{"Status":"busy"}`), bad},
		{"status null", set(`{"status":null}`), bad},
		{"status an object", set(`{"status":{"status":"busy"}}`), bad},
		{"message null", set(`{"status":"busy","message":null}`), bad},
		{"message not UTF-8", set("{\"status\":\"busy\",\"message\":\"\xff\"}"), bad},
		{"message half a surrogate pair", set(`{"status":"busy","message":"\ud800"}`), bad},
		{"message with a raw newline", set("{\"status\":\"busy\",\"message\":\"\n\"}"), bad},
		{"the original's document", set(`{"AuthenticationToken":"` + token + `","Type":"UserStatus","UserStatus":[]}`), bad},
		{"a user in the body", with(`"user":"alice@example.test"`), bad},
		{"a prototype", with(`"__proto__":{}`), bad},
		{"an empty name", with(`"":1`), bad},
		{"a deep unknown member", set(`{"x":` + deep), bad},
		{"a long name", with(`"` + strings.Repeat("n", 500_000) + `":1`), bad},
		{"until null", with(`"until":null`), bad},
		{"until a date", with(`"until":"2030-01-01"`), bad},
		{"until without a zone", with(`"until":"2030-01-01T00:00:00"`), bad},
		{"until the 30th of February", with(`"until":"2030-02-30T00:00:00Z"`), bad},
		{"until with a long fraction", with(`"until":"2030-01-01T00:00:00.` + strings.Repeat("0", 100_000) + `Z"`), []int{400, 422}},
		{"until year 10000", with(`"until":"10000-01-01T00:00:00Z"`), bad},
		{"until year 9999", with(`"until":"9999-12-31T23:59:59Z"`), bad},
		{"until the epoch", with(`"until":"1970-01-01T00:00:00Z"`), unprocessable},
		{"until the year 0", with(`"until":"0000-01-01T00:00:00Z"`), unprocessable},
		{"until yesterday", with(`"until":"` + time.Now().Add(-24*time.Hour).Format(time.RFC3339) + `"`), unprocessable},
		{"until next year, on spreed", with(`"until":"` + time.Now().AddDate(1, 0, 0).Format(time.RFC3339) + `"`), unprocessable},
		{"ttl 0", with(`"ttl":0`), bad},
		{"ttl negative", with(`"ttl":-1`), bad},
		{"ttl a fraction", with(`"ttl":0.5`), bad},
		{"ttl with an exponent", with(`"ttl":1e9`), bad},
		{"ttl with 400 digits", with(`"ttl":` + strings.Repeat("9", 400)), bad},
		{"ttl a string", with(`"ttl":"60"`), bad},
		{"the greatest ttl, on spreed", with(`"ttl":9999999999`), unprocessable},
		{"until and ttl", with(`"until":"2030-01-01T00:00:00Z","ttl":1`), bad},
		{"unknown status", set(`{"status":"lunch"}`), unprocessable},
		{"empty status", set(`{"status":""}`), unprocessable},
		{"status in upper case", set(`{"status":"BUSY"}`), unprocessable},
		{"message of 4097 bytes", set(`{"status":"busy","message":"` + strings.Repeat("x", 4097) + `"}`), unprocessable},
		{"body too large", set(`{"status":"busy","message":"` + strings.Repeat("x", 1<<20) + `"}`), tooLarge},
		{"query: no users", query(`{}`), bad},
		{"query: users null", query(`{"users":null}`), bad},
		{"query: a user null", query(`{"users":[null]}`), bad},
		{"query: nested users", query(`{"users":[["a@b"]]}`), bad},
		{"query: deep", query(`{"users":` + deep), bad},
		{"query: since negative", query(`{"users":[],"since":-1}`), bad},
		{"query: since too great", query(`{"users":[],"since":9007199254740992}`), bad},
		{"query: too many", query(`{"users":["a@b"` + strings.Repeat(`,"a@b"`, 10_000) + `]}`), tooLarge},
		{"query: one bad id of many", query(`{"users":["a@b"` + strings.Repeat(`,"a@b"`, 9_000) + `,"nobody"]}`), unprocessable},
		{"query: ids that look like others", query(`{"users":["mar\u212ad@zarafa.com"]}`), unprocessable},
	}
}

func hostileV1URLs(token string) []hostile {
	get := func(target string) string { return v1Request("GET", target, token, "") }
	set := func(target string) string {
		return v1Request("PUT", target, token, `{"status":"busy","message":"changed"}`)
	}
	drop := func(target string) string { return v1Request("DELETE", target, token, "") }
	bad, missing, unprocessable := []int{400}, []int{404}, []int{422}
	return []hostile{
		{"half an escape", get("/v1/users/markd%4"), bad},
		{"no escape", get("/v1/users/markd%zzzarafa.com"), bad},
		{"an escaped NUL", get("/v1/users/markd%00@zarafa.com"), unprocessable},
		{"escaped bytes that are not UTF-8", get("/v1/users/%ff%fe@zarafa.com"), unprocessable},
		{"an overlong escape", get("/v1/users/%c0%af@zarafa.com"), unprocessable},
		{"an escaped slash", get("/v1/users/..%2f..%2fetc%2fpasswd"), unprocessable},
		{"dots", get("/v1/users/../../etc/passwd"), missing},
		{"escaped dots", get("/v1/users/%2e%2e/%2e%2e/etc"), missing},
		{"a double slash", get("//v1//users"), missing},
		{"a doubly escaped id", get("/v1/users/markd%2540zarafa.com"), unprocessable},
		{"an id with a line break", get("/v1/users/markd%0d%0a@zarafa.com"), unprocessable},
		{"an id with a right-to-left override", get("/v1/users/markd%e2%80%ae@zarafa.com"), unprocessable},
		{"an id of 4 kB", get("/v1/users/" + strings.Repeat("m", 4000) + "@zarafa.com"), unprocessable},
		{"a URL of 100 kB", get("/v1/users/" + strings.Repeat("m", 100_000)), []int{431}},
		{"a token in the URL", get("/v1/users?user=a@b&access_token=x"), bad},
		{"a thousand empty users", get("/v1/users?" + strings.Repeat("user=&", 1000)), unprocessable},
		{"a thousand parameters", get("/v1/users?" + strings.Repeat("x&", 1000)), bad},
		{"since twice", get("/v1/users?user=a@b&since=1&since=2"), bad},
		{"since a float", get("/v1/users?user=a@b&since=1e3"), bad},
		{"since a word", get("/v1/users?user=a@b&since=yesterday"), bad},
		{"since of 400 digits", get("/v1/users?user=a@b&since=" + strings.Repeat("9", 400)), bad},
		{"a query that is not one", get("/v1/users?%"), bad},
		{"an unknown protocol", set("/v1/users/markd@zarafa.com/carrier%20pigeon"), unprocessable},
		{"a protocol with a NUL", set("/v1/users/markd@zarafa.com/spreed%00"), unprocessable},
		{"a read-only protocol", set("/v1/users/markd@zarafa.com/xmpp"), unprocessable},
		{"a long protocol", set("/v1/users/markd@zarafa.com/" + strings.Repeat("p", 4000)), unprocessable},
		{"somebody else", set("/v1/users/alice@example.test/spreed"), []int{403}},
		{"somebody else, deleted", drop("/v1/users/alice@example.test/spreed"), []int{403}},
		{"a read-only protocol, deleted", drop("/v1/users/markd@zarafa.com/xmpp"), unprocessable},
		{"everything deleted", drop("/v1/users/markd@zarafa.com"), []int{405}},
		{"everybody deleted", drop("/v1/users"), []int{405}},
		{"a protocol too many", set("/v1/users/markd@zarafa.com/spreed/x"), missing},
		{"the version in upper case", get("/V1/users?user=a@b"), missing},
	}
}

func hostileV1Headers(token string) []hostile {
	const body = `{"status":"busy","message":"changed"}`
	with := func(headers string) string {
		return fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s", putMine, len(body), headers, body)
	}
	stolen := tokenOf("another secret, just as long", time.Now(), mark)
	denied := []int{401}
	return []hostile{
		{"no token", with(""), denied},
		{"an empty header", with("Authorization:\r\n"), denied},
		{"another scheme", with("Authorization: Digest " + token + "\r\n"), denied},
		{"the token alone", with("Authorization: " + token + "\r\n"), denied},
		{"a token made with another secret", with("Authorization: Bearer " + stolen + "\r\n"), denied},
		{"an old token", with("Authorization: Bearer " + tokenOf(secret, time.Now().Add(-time.Hour), mark) + "\r\n"), denied},
		{"a token from the future", with("Authorization: Bearer " + tokenOf(secret, time.Now().Add(time.Hour), mark) + "\r\n"), denied},
		{"a token of 4 kB", with("Authorization: Bearer " + strings.Repeat("x", 4000) + "\r\n"), denied},
		{"a token with a NUL", with("Authorization: Bearer " + token + "\x00\r\n"), []int{400}},
		{"the token of somebody else", with("Authorization: Bearer " + tokenOf(secret, time.Now(), alice) + "\r\n"), []int{403}},
		{"the token as a cookie", with("Cookie: token=" + token + "\r\n"), denied},
		{"Content-Length twice", with("Authorization: Bearer " + token + "\r\nContent-Length: 1\r\n"), []int{400}},
		{"a compressed body", with("Authorization: Bearer " + stolen + "\r\nContent-Encoding: gzip\r\n"), denied},
	}
}
