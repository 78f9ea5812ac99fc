package command

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/natstest"
)

// ask asks without a token, and returns the status and the body.
func (d *daemon) ask(path string) (status int, body string) {
	d.t.Helper()
	answer, err := (&http.Client{Transport: documented()}).Get(d.url + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// TestReadyWhileTheJournalCannotBeFollowed: a daemon that has been cut off from the cluster for too long asks for no more requests, and answers those
// that come.
func TestReadyWhileTheJournalCannotBeFollowed(t *testing.T) {
	servers := natstest.Start(t, natstest.Options{Servers: 1})
	d := serve(t, secretEnv, "--http.listen=127.0.0.1:0", "--store.kind=nats", "--store.url="+servers.URL(), "--health.stale_after=1s")
	if status, body := d.ask("readyz?verbose"); status != 200 || !strings.HasSuffix(body, "journal: followed\nwriting: possible\nready\n") {
		t.Errorf("%d %s", status, body)
	}
	servers.Servers[0].Freeze()
	defer servers.Servers[0].Thaw()
	eventually(t, "the daemon is not ready", func() bool { status, _ := d.ask("readyz"); return status == 503 })
	if status, body := d.ask("readyz?verbose"); !strings.Contains(body, "daemon: running\njournal: not followed\n") || !strings.HasSuffix(body, "not ready\n") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := d.ask("livez"); status != 200 {
		t.Errorf("/livez: %d", status)
	}
	if _, text := d.ask("metrics"); !strings.Contains(text, "\npresence_ready 0\n") || !strings.Contains(text, "\npresence_journal_followed 0\n") {
		t.Error(text)
	}
	mine := token(t, secretEnv, markd)
	if status, body := request(t, "GET", d.url, mine, `{"user_id":"markd@zarafa.com"}`); status != 200 {
		t.Errorf("a read is answered with %d %s", status, body)
	}
	servers.Servers[0].Thaw()
	eventually(t, "the daemon is ready again", func() bool { status, _ := d.ask("readyz"); return status == 200 })
}

// TestNotReadyWhileStopping: on the listener for operators, which ends last.
func TestNotReadyWhileStopping(t *testing.T) {
	admin := freeport.Address(t)
	d := serve(t, secretEnv, "--http.listen=127.0.0.1:0", "--http.admin_listen="+admin)
	slow, err := net.Dial("tcp", strings.Trim(strings.TrimPrefix(d.url, "http:"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{"); err != nil { // which the end waits for, but not for long
		t.Fatal(err)
	}
	ready := func() (status int, err error) {
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + admin + "/readyz")
		if err != nil {
			return 0, err
		}
		_ = answer.Body.Close()
		return answer.StatusCode, nil
	}
	if status, err := ready(); status != 200 || err != nil {
		t.Fatalf("%d %v", status, err)
	}
	seen, done := make(chan int, 1), make(chan struct{})
	go func() {
		defer close(done)
		for {
			status, err := ready()
			if err != nil {
				return
			}
			if status == 503 {
				select {
				case seen <- status:
				default:
				}
			}
		}
	}()
	if code := d.terminate(15); code != 0 {
		t.Errorf("exit code %d", code)
	}
	<-done
	if len(seen) == 0 {
		t.Error("/readyz was never 503")
	}
}
