package http_test

import (
	"encoding/json"
	"io"
	nethttp "net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/zarafa/presence/domain"
)

// TestExchange: a code is good for one token, whatever letters its user has, and for nothing else; a request without one is refused before a body is read.
func TestExchange(t *testing.T) {
	r := start(t)
	client := nethttp.Client{Transport: documented(&nethttp.Transport{DisableKeepAlives: true})}
	exchange := func(header, query string) (int, string) {
		t.Helper()
		request, err := nethttp.NewRequestWithContext(t.Context(), nethttp.MethodPost, "http://"+r.Addr().String()+"/v1/token"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			request.Header.Set("Authorization", header)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	for _, user := range []domain.UserID{mark, "zoë@example.test"} {
		code := "Bearer " + url.PathEscape(r.tokens.IssueCode(user))
		status, body := exchange(code, "")
		var document struct{ Token string }
		if err := json.Unmarshal([]byte(body), &document); status != nethttp.StatusOK || err != nil {
			t.Fatalf("%s: %d %s", user, status, body)
		}
		if by, err := r.tokens.Verify(document.Token); err != nil || by.User != user {
			t.Errorf("the token speaks for %v, %v", by, err)
		}
		if status, body := exchange(code, ""); status != nethttp.StatusUnauthorized || !strings.Contains(body, "has been used") {
			t.Errorf("a second time: %d %s", status, body)
		}
	}
	for name, refused := range map[string]struct {
		header, query string
		status        int
		says          string
	}{
		"no code":      {"", "", nethttp.StatusUnauthorized, "missing"},
		"a token":      {"Bearer " + r.tokens.Issue(mark), "", nethttp.StatusUnauthorized, "malformed"},
		"a query":      {"Bearer " + r.tokens.IssueCode(mark), "?x", nethttp.StatusBadRequest, "query"},
		"not a bearer": {"Basic " + r.tokens.IssueCode(mark), "", nethttp.StatusUnauthorized, "missing"},
	} {
		if status, body := exchange(refused.header, refused.query); status != refused.status || !strings.Contains(body, refused.says) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}
