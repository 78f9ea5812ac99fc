package command

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zarafa/presence/internal/faultproxy"
)

// known is what API v1 says of a user: whether it is stale, and the revision of the last change.
type known struct {
	Status   string
	Stale    bool
	Revision uint64
}

// ask asks a daemon about a user, by API v1.
func (n *network) ask(node *node, path string, into any) (status int) {
	request, err := http.NewRequest(http.MethodGet, strings.TrimSuffix(node.url, "/")+path, nil)
	if err != nil {
		n.t.Error(err)
		return 0
	}
	request.Header.Set("Authorization", "Bearer "+n.token)
	response, err := (&http.Client{Timeout: 20 * time.Second, Transport: documented()}).Do(request)
	if err != nil {
		n.t.Error(err)
		return 0
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, into); err != nil {
			n.t.Error(err)
		}
	}
	return response.StatusCode
}

func (n *network) about(node *node, user string) (status int, is known) {
	status = n.ask(node, "/v1/users/"+user, &is)
	return status, is
}

// stream follows a user, and yields what it is told, until the test ends.
func (n *network) stream(node *node, user string) <-chan string {
	n.t.Helper()
	request, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, strings.TrimSuffix(node.url, "/")+"/v1/events?user="+user, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+n.token)
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		n.t.Fatal(err)
	}
	told := make(chan string, 100)
	var reading sync.WaitGroup
	n.t.Cleanup(reading.Wait)
	reading.Go(func() {
		defer answer.Body.Close()
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			if strings.Contains(lines.Text(), `"stale":`) {
				told <- lines.Text()
			}
		}
	})
	return told
}

// halt stops a daemon with SIGSTOP, and returns when all its threads have stopped.
func (n *node) halt(t *testing.T) {
	t.Helper()
	if err := n.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for unix.Waitid(unix.P_PID, n.Process.Pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// followed reports whether a daemon says that it can follow the journal.
func (n *network) followed(node *node) bool {
	var is struct{ Journal struct{ Followed bool } }
	return n.ask(node, "/v1/sources", &is) == http.StatusOK && is.Journal.Followed
}

// heartbeats put through a daemon every second that some users are busy, until they are ended.
func (n *network) heartbeats(node *node, users ...string) (end func()) {
	stop := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		every := time.NewTicker(time.Second)
		defer every.Stop()
		for {
			for _, user := range users {
				if status, text := n.send("PUT", node, fmt.Sprintf(`{"user_id":%q,"spreed":{"status":"busy","message":""}}`, user)); status != 200 {
					n.t.Logf("a heartbeat is answered with %d %s", status, text)
				}
			}
			select {
			case <-every.C:
			case <-stop:
				return
			}
		}
	})
	return sync.OnceFunc(func() { close(stop); beating.Wait() })
}

// TestADaemonThatIsCutOff: it cannot know who has renewed what through the others, so nobody becomes unavailable there who has not. What would have
// is stale, its sources' status and its log say so, and all is well once it is back.
func TestADaemonThatIsCutOff(t *testing.T) {
	const silence, lily, gone = 8 * time.Second, "lily@example.test", "gone@example.test"
	var proxies []*faultproxy.Proxy
	n := newNetwork(t, silence, func(addr string) string {
		proxies = append(proxies, faultproxy.Start(t, addr))
		return proxies[len(proxies)-1].Addr()
	})
	end := n.heartbeats(n.nodes[0], lily)
	defer end()
	cut := n.nodes[2]
	n.everywhere(n.nodes, lily, "spreed", "busy", 10*time.Second)
	for name, fault := range map[string]func(*faultproxy.Proxy){"nothing arrives any more": (*faultproxy.Proxy).LoseAnswers, "connections are refused": (*faultproxy.Proxy).Cut} {
		t.Run(name, func(t *testing.T) {
			if status, text := n.send("PUT", n.nodes[0], fmt.Sprintf(`{"user_id":%q,"spreed":{"status":"busy","message":""}}`, gone)); status != 200 {
				t.Fatalf("PUT: %d %s", status, text)
			}
			n.everywhere(n.nodes, gone, "spreed", "busy", 10*time.Second)
			for _, proxy := range proxies {
				fault(proxy)
			}
			stale := false
			for began := time.Now(); time.Since(began) < 2*silence; time.Sleep(50 * time.Millisecond) {
				status, is := n.about(cut, lily)
				if status != http.StatusOK || is.Status != "busy" {
					t.Fatalf("after %v the daemon answers %d, %+v", time.Since(began), status, is)
				}
				stale = is.Stale
			}
			if !stale || n.followed(cut) || !n.followed(n.nodes[0]) {
				t.Errorf("the user is stale: %t; the daemon says that it follows the journal: %t, another: %t", stale, n.followed(cut), n.followed(n.nodes[0]))
			}
			n.everywhere(n.nodes[:2], gone, "spreed", "unavailable", 5*time.Second)
			told := n.stream(cut, lily)
			if text := <-told; !strings.Contains(text, `"stale":true`) {
				t.Errorf("a stream that begins meanwhile tells %s", text)
			}
			for _, proxy := range proxies {
				proxy.Restore()
			}
			eventually(t, "the daemon follows the journal again", func() bool { return n.followed(cut) })
			if status, is := n.about(cut, lily); status != http.StatusOK || is.Status != "busy" || is.Stale {
				t.Errorf("afterwards the daemon answers %d, %+v", status, is)
			}
			for text := ""; !strings.Contains(text, `"stale":false`); {
				select {
				case text = <-told:
				case <-time.After(5 * time.Second):
					t.Fatal("the stream does not tell that the user is not stale any more")
				}
			}
			n.everywhere(n.nodes, gone, "spreed", "unavailable", 5*time.Second)
		})
	}
	end()
	n.everywhere(n.nodes, lily, "spreed", "unavailable", silence+5*time.Second)
	log := cut.log()
	if !strings.Contains(log, "the journal cannot be followed") || !strings.Contains(log, "the journal can be followed again") {
		t.Error("the log does not say that the journal could not be followed, and can be again")
	}
	if lines := strings.Count(log, "cannot announce expired presences"); lines > 2 {
		t.Errorf("the log says %d times that expired presences cannot be announced", lines)
	}
}

// TestADaemonThatWasHalted: until it has caught up it answers with 503. It carries out nothing that was sent before, and who took over the source
// has made no change of those who are still there.
func TestADaemonThatWasHalted(t *testing.T) {
	const silence, lily, dave = 8 * time.Second, "lily@example.test", "dave@example.test"
	n := newNetwork(t, silence, nil)
	halted := n.collector(n.nodes)
	var others []*node
	for _, node := range n.nodes {
		if node != halted {
			others = append(others, node)
		}
	}
	alice := n.xmpp.Login(t, "alice", "phone")
	alice.Show("dnd", "first")
	n.everywhere(n.nodes, n.xmpp.JID("alice"), "xmpp", "first", 10*time.Second)
	defer n.heartbeats(others[0], lily)()
	n.everywhere(n.nodes, lily, "spreed", "busy", 10*time.Second)
	_, before := n.about(others[1], n.xmpp.JID("alice"))

	halted.halt(t)
	impatient := &http.Client{Timeout: 500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	body := `{"AuthenticationToken":%q,"Type":"UserStatus","UserStatus":[{"user_id":%q,"spreed":{"status":"away","message":"older"}}]}`
	request, err := http.NewRequest(http.MethodPut, halted.url, strings.NewReader(fmt.Sprintf(body, n.token, dave)))
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := impatient.Do(request); err == nil {
		_ = answer.Body.Close()
		t.Fatalf("a daemon that is halted answers with %s", answer.Status)
	}
	if status, text := n.send("PUT", others[0], fmt.Sprintf(`{"user_id":%q,"spreed":{"status":"busy","message":"newer"}}`, dave)); status != 200 {
		t.Fatalf("PUT: %d %s", status, text)
	}
	end := n.heartbeats(others[1], lily)
	defer end()
	for began := time.Now(); time.Since(began) < silence+8*time.Second; time.Sleep(100 * time.Millisecond) {
		if _, is := n.about(others[1], n.xmpp.JID("alice")); is.Status != "busy" || is.Stale {
			t.Fatalf("while another daemon takes over, %+v is shown", is)
		}
		if time.Since(began) > time.Second && time.Since(began) < 3*time.Second { // it is not to expire meanwhile
			_, _ = n.send("PUT", others[0], fmt.Sprintf(`{"user_id":%q,"spreed":{"status":"busy","message":"newer"}}`, dave))
		}
	}
	var asking sync.WaitGroup
	check := func() (status int) {
		for _, user := range []string{lily, n.xmpp.JID("alice")} {
			var is known
			if status, is = n.about(halted, user); status != http.StatusServiceUnavailable && (status != http.StatusOK || is.Status != "busy" || is.Stale) {
				t.Errorf("after the halt the daemon answers %d, %+v for %s", status, is, user)
			}
		}
		return status
	}
	for range 20 {
		asking.Go(func() { check() })
	}
	time.Sleep(500 * time.Millisecond) // they wait for the daemon now
	if err := halted.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon answers again", func() bool { return check() == http.StatusOK })
	for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(20 * time.Millisecond) {
		check()
	}
	asking.Wait()
	for _, node := range n.nodes {
		if shown := n.shows(node, dave, "spreed"); strings.Contains(shown, "older") {
			t.Errorf("an update that its client gave up has taken the place of a newer one: %s", shown)
		}
		if _, after := n.about(node, n.xmpp.JID("alice")); after != before {
			t.Errorf("before the handover alice was shown as %+v, and now as %+v", before, after)
		}
	}
	if log := halted.log(); !strings.Contains(log, "the daemon was halted") || !strings.Contains(log, "the daemon goes on") {
		t.Error("the log does not say that the daemon was halted, and goes on")
	}
}
