package command

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPause: a daemon that was halted, or that was not there, for longer than spreed.auto_unavailable does not say that everybody is gone, only
// because nobody could report. What was asked to end meanwhile has ended.
func TestPause(t *testing.T) {
	const period = 3 * time.Second
	args := []string{"serve", "--http.listen=127.0.0.1:0", "--spreed.auto_unavailable", period.String(), "--store.kind=bolt", "--store.dir", filepath.Join(t.TempDir(), "store")}
	k := &killed{t: t, args: args}
	n := k.start()
	user := token(t, secretEnv, "markd@zarafa.com")
	put := func(status string) {
		t.Helper()
		if code, body := request(t, http.MethodPut, n.url, user, `{"user_id":"markd@zarafa.com","spreed":{"status":"`+status+`"}}`); code != http.StatusOK {
			t.Fatalf("PUT: %d %s", code, body)
		}
	}
	first := func() string { // the first answer that is one
		t.Helper()
		for {
			code, body := request(t, http.MethodGet, n.url, user, `{"user_id":"markd@zarafa.com"}`)
			if code != http.StatusServiceUnavailable {
				return body
			}
			time.Sleep(time.Millisecond)
		}
	}
	expect := func(status, when string) {
		t.Helper()
		if body := first(); !strings.Contains(body, `"spreed":{"status":"`+status+`"`) {
			t.Errorf("%s it is %s, want %s", when, body, status)
		}
	}
	put("busy")
	_ = n.Process.Signal(syscall.SIGSTOP)
	time.Sleep(2 * period)
	_ = n.Process.Signal(syscall.SIGCONT)
	expect("busy", "after a halt")
	time.Sleep(period + 2*time.Second)
	expect("unavailable", "one period later")

	put("away")
	k.kill(n)
	time.Sleep(2 * period)
	n = k.start()
	expect("away", "after a restart")
	time.Sleep(period + 2*time.Second)
	expect("unavailable", "one period later")
}

// TestClockSetBack: what was reported while the clock was an hour ahead does not hold for that hour after the clock was corrected.
func TestClockSetBack(t *testing.T) {
	const period = 3 * time.Second
	dir := filepath.Join(t.TempDir(), "store")
	ahead := time.Now().UTC().Add(time.Hour)
	line := fmt.Sprintf(`{"user":"markd@zarafa.com","protocol":"spreed","status":"busy","message":"","since":%q,"updated":%[1]q,"expires":%q,"stale":false}`,
		ahead.Format(time.RFC3339), ahead.Add(period).Format(time.RFC3339))
	importing(t, dir, line+"\n", "1 presence imported into "+dir)
	k := &killed{t: t, args: []string{"serve", "--http.listen=127.0.0.1:0", "--spreed.auto_unavailable", period.String(), "--store.kind=bolt", "--store.dir", dir}}
	n := k.start()
	user := token(t, secretEnv, "markd@zarafa.com")
	for _, want := range []string{"busy", "unavailable"} {
		code, body := request(t, http.MethodGet, n.url, user, `{"user_id":"markd@zarafa.com"}`)
		if code != http.StatusOK || !strings.Contains(body, `"spreed":{"status":"`+want+`"`) {
			t.Errorf("GET: %d %s, want %s", code, body, want)
		}
		time.Sleep(period + 2*time.Second)
	}
}
