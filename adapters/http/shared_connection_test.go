package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/zarafa/presence/domain"
)

// One connection carries the requests of many clients, as a proxy's does, so its buffers hold one client's request after
// another's: nothing that is kept may still lie in them, least of all where another client's token will be.
func TestNoPartOfARequestOutlivesIt(t *testing.T) {
	r := start(t)
	proxy := &nethttp.Client{Transport: documented(&nethttp.Transport{})}
	defer proxy.CloseIdleConnections()
	send := func(method, body string) {
		t.Helper()
		request, err := nethttp.NewRequest(method, "http://"+r.Addr().String(), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := proxy.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if text, _ := io.ReadAll(response.Body); response.StatusCode != nethttp.StatusOK {
			t.Fatalf("%s: %d %s", method, response.StatusCode, text)
		}
	}
	token := strings.Split(r.body(mark, ""), `"`)[3]
	message := strings.Repeat("A", 150)
	for _, status := range []string{"busy", "away", "away"} {
		send("PUT", fmt.Sprintf(`{"UserStatus":[{"spreed":{"status":%q,"message":%q},"user_id":"markd@zarafa.com"}],"Type":"UserStatus","AuthenticationToken":%q}`,
			status, message, token))
	}
	send("GET", r.body(alice, strings.TrimSuffix(strings.Repeat(entry(1)+",", 20), ",")))
	if got := r.do(t, "GET", r.body(mark, `{"user_id":"markd@zarafa.com"}`)); !strings.Contains(got.body, `"away","message":"`+message+`"`) {
		t.Errorf("after somebody else's request on the same connection: %s", got.body)
	}
}

// Requests that are sent without waiting for answers are answered in order, the bad ones among them too.
func TestPipelining(t *testing.T) {
	const requests = 60
	bad := func(i int) bool { return i%7 == 3 }
	message := func(i int) string { return fmt.Sprintf("message %d %s", i, strings.Repeat("x", i*100)) }
	r := start(t)
	var all strings.Builder
	for i := range requests {
		r.knows(t, domain.UserID(user(i)), spreed, domain.Busy, message(i))
		if bad(i) {
			all.WriteString(request("GET", `{"bad`))
		} else {
			all.WriteString(request("GET", r.body(mark, entry(i))))
		}
	}
	c, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { _, _ = io.WriteString(c, all.String()) }()
	answers := bufio.NewReader(c)
	for i := range requests {
		answer, err := nethttp.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		_ = answer.Body.Close()
		switch {
		case bad(i) && answer.StatusCode != nethttp.StatusBadRequest:
			t.Errorf("answer %d to a bad request is %d", i, answer.StatusCode)
		case !bad(i) && (!strings.Contains(string(body), `"`+message(i)+`"`) || !strings.Contains(string(body), user(i))):
			t.Errorf("answer %d is %s", i, body)
		}
	}
}
