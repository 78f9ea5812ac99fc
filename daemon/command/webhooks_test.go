package command

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/internal/webhooktest"
)

// ofWebhooks changes the key webhooks, which needs a receiver.
func ofWebhooks(t *testing.T) map[string]keyChange {
	receiver := webhooktest.Start(t)
	return map[string]keyChange{"webhooks": {value: "[" + receiver.Entry("crm", "") + "]", effect: func(k *keyTest) bool {
		return soon(func() bool { return receiver.Knows(markd).Status != "" })
	}}}
}

// A test message is signed and sent, and what came back is told.
func TestWebhookTest(t *testing.T) {
	good, bad := webhooktest.Start(t), webhooktest.Start(t)
	bad.Respond(func(w http.ResponseWriter, _ *http.Request, _ webhooktest.Message) int {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, "who are you?\x1b[31m\nand more")
		return http.StatusForbidden
	})
	file := write(t, "presence.yaml", fmt.Sprintf("auth: {secret: %s}\nwebhooks: [%s, %s, {name: faulty, url: 'https://a.example.test', secret: hush}, {name: unread, url: 'https://a.example.test', secret_file: /nowhere}]\n",
		testSecret, good.Entry("crm", ""), bad.Entry("wiki", "")))
	for _, test := range []struct {
		name           string
		code           int
		stdout, stderr string
	}{
		{"crm", 0, "crm: the receiver answered 204 No Content, after ", ""},
		{"wiki", 1, "", "wiki: the receiver answered 403 Forbidden, after "},
		{"faulty", 2, "", "webhooks: entry 3 (faulty): secret: expected whsec_"},
		{"unread", 2, "", "webhooks: entry 4: secret_file: open /nowhere"},
		{"nobody", 2, "", `webhooks has no entry with the name "nobody"; there are crm, wiki, faulty, unread`},
	} {
		got := command(nil, "webhook", "test", test.name, "--config", file)
		if got.code != test.code || !strings.Contains(got.stdout, test.stdout) || !strings.Contains(got.stderr, test.stderr) || strings.Contains(got.stderr+got.stdout, "\x1b") {
			t.Errorf("%s: %+v", test.name, got)
		}
		if test.name == "wiki" && (!strings.Contains(got.stderr, "who are you?") || strings.Contains(got.stderr, "and more")) {
			t.Errorf("what came back is told as %s", got.stderr)
		}
	}
	if taken := good.Taken(); len(taken) != 1 || taken[0].Type != "presence.test" || taken[0].Data.Webhook != "crm" {
		t.Errorf("the receiver was sent %+v", taken)
	}
	for _, args := range [][]string{{"webhook"}, {"webhook", "test"}, {"webhook", "try", "crm"}, {"webhook", "test", "crm", "wiki"}} {
		if got := command(nil, args...); got.code != 2 || !strings.Contains(got.stderr, "expected: webhook test NAME") {
			t.Errorf("%v: %+v", args, got)
		}
	}
	if got := command(nil, "__complete", "webhook", "test", "--config", file, ""); !strings.HasPrefix(got.stdout, "crm\nfaulty\nunread\nwiki\n:") {
		t.Errorf("names are completed as %s", got.stdout)
	}
	if got := command(nil, "__complete", "webhook", ""); !strings.HasPrefix(got.stdout, "test\n:") {
		t.Errorf("it is completed as %s", got.stdout)
	}
}

// Webhooks come, change and go while the daemon runs, and a reload enables what was disabled.
func TestReloadOfWebhooks(t *testing.T) {
	crm, wiki := webhooktest.Start(t), webhooktest.Start(t)
	r := reloads(t, map[string]string{"webhooks": "[" + crm.Entry("crm", "") + "]"})
	put := func(user, status, message string) {
		t.Helper()
		if got := r.ask(t, clerk, "PUT", "/v1/users/"+user+"/manual", fmt.Sprintf(`{"status":%q,"message":%q}`, status, message)); got.status != 204 {
			t.Fatalf("PUT: %+v", got)
		}
	}
	put(markd, "busy", "")
	crm.AwaitStatus(markd, "busy")

	r.change(t, map[string]string{"webhooks": "[" + crm.Entry("crm", "") + ", " + wiki.Entry("wiki", ", users: [anna@example.test], events: [message]") + "]"})
	put("anna@example.test", "away", "lunch")
	wiki.Await("anna@example.test", func(d webhooktest.Data) bool { return d.Message == "lunch" })
	crm.AwaitStatus("anna@example.test", "away")
	if wiki.Knows(markd).Status != "" || len(crm.Taken()) != 2 {
		t.Errorf("the wiki knows %+v, the CRM was sent %d messages", wiki.Knows(markd), len(crm.Taken()))
	}

	crm.Respond(webhooktest.Status(http.StatusGone))
	put(markd, "away", "")
	eventually(t, "it is disabled", func() bool { return strings.Contains(r.stderr.String(), "exporter disabled") })
	put(markd, "available", "")
	crm.Respond(nil)
	r.change(t) // nothing, but the wiki is gone
	crm.AwaitStatus(markd, "available")
	put("anna@example.test", "away", "back soon")
	put("anna@example.test", "busy", "")
	crm.AwaitStatus("anna@example.test", "busy")
	if wiki.Knows("anna@example.test").Message != "lunch" {
		t.Error("a webhook is told that is not in the configuration any more")
	}

	hidden := r.ask(t, clerk, "PUT", "/v1/users/anna@example.test/manual", `{"status":"busy","invisible":true,"ttl":600}`)
	if crm.AwaitStatus("anna@example.test", "unavailable"); hidden.status != 204 {
		t.Errorf("PUT: %+v", hidden)
	}

	before := len(crm.Taken())
	r.change(t, map[string]string{"webhooks": "[" + crm.Entry("crm", "") + "]", "precedence": "[spreed]"})
	time.Sleep(200 * time.Millisecond)
	if after := len(crm.Taken()); after != before {
		t.Errorf("another precedence that changes nothing has sent %d messages", after-before)
	}
	r.change(t, map[string]string{"webhooks": "[" + crm.Entry("crm", "") + "]", "visibility": "[{viewer: service, user: " + markd + ", sees: nothing}, {viewer: '*', user: '*', sees: all}]"})
	crm.Await(markd, func(d webhooktest.Data) bool { return d.Status == "unavailable" && d.Revision == 0 })
	for _, m := range crm.Messages() {
		if err := theContract().ValidJSON(string(m.Body), "components", "schemas", "WebhookMessage"); err != nil {
			t.Errorf("%s is not what openapi.json says: %v", m.Body, err)
		}
	}
}

// The receiver of docs/webhooks.md takes what is signed, and nothing else.
func TestWebhooksPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := runnable.FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 1 {
		t.Fatalf("the page has %d examples", len(blocks))
	}
	port := freeport.Take(t)
	python := exec.Command("python3", write(t, "receiver.py", blocks[0][2]))
	python.Env = append(os.Environ(), "WEBHOOK_SECRET="+webhooktest.Secret, fmt.Sprint("PORT=", port))
	python.Stdout, python.Stderr = new(output), new(output)
	if err := python.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = python.Process.Kill(); _ = python.Wait() })
	said := func() string { return python.Stdout.(*output).String() }
	url := fmt.Sprintf("http://127.0.0.1:%d/presence", port)
	post := func() int {
		answer, err := http.Post(url, "application/json", strings.NewReader("{}"))
		if err != nil {
			return 0
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	eventually(t, "the receiver answers", func() bool { return post() != 0 })
	if code := post(); code != http.StatusUnauthorized {
		t.Errorf("what is not signed is answered with %d", code)
	}
	r := reloads(t, map[string]string{"webhooks": fmt.Sprintf("[{name: crm, url: %q, secret: %s}]", url, webhooktest.Secret)})
	for _, status := range []string{"busy", "away"} {
		r.ask(t, markd, "PUT", "/v1/users/"+markd+"/manual", `{"status":"`+status+`"}`)
		eventually(t, "the receiver is told", func() bool { return strings.HasSuffix(said(), markd+" is "+status+"\n") })
	}
	for secret, code := range map[string]int{webhooktest.Secret: 0, webhooktest.OldSecret: 1} {
		file := write(t, "presence.yaml", fmt.Sprintf("webhooks: [{name: crm, url: %q, secret: %s}]\n", url, secret))
		if got := command(nil, "webhook", "test", "crm", "--config", file); got.code != code {
			t.Errorf("%+v", got)
		}
	}
}

// changing puts statuses of users, at random, until it is stopped.
type changing struct {
	stop    atomic.Bool
	running sync.WaitGroup
	mu      sync.Mutex
	last    map[string]string // by user: the status that was acknowledged last; empty: it is open
}

// changes begins to change users through daemons, each user through one of them. Some are changed in every round. Some are changed in this round
// alone: no later change of theirs can make up for a lost one.
func changes(t *testing.T, token, round string, urls ...string) *changing {
	c := &changing{last: map[string]string{}}
	for i, url := range urls {
		c.running.Go(func() {
			client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for !c.stop.Load() {
				user := fmt.Sprintf("u%d-%s%d@example.test", i, []string{"", round}[rand.IntN(2)], rand.IntN(30))
				status := []string{"available", "busy", "away", "unavailable"}[rand.IntN(4)]
				c.note(user, "")
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"v1/users/"+user+"/manual", strings.NewReader(`{"status":"`+status+`"}`))
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("Authorization", "Bearer "+token)
				answer, err := client.Do(request)
				if err != nil {
					time.Sleep(10 * time.Millisecond)
					continue
				}
				_ = answer.Body.Close()
				if answer.StatusCode == http.StatusNoContent {
					c.note(user, status)
				}
			}
		})
	}
	return c
}

func (c *changing) note(user, status string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last[user] = status
}

func (c *changing) end() {
	c.stop.Store(true)
	c.running.Wait()
}

// agrees waits until a receiver knows of every user what a daemon says, which is what was acknowledged last, if that is known.
func agrees(t *testing.T, receiver *webhooktest.Receiver, url, token string, users map[string]string) {
	t.Helper()
	for user, acknowledged := range users {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"v1/users/"+user, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var document webhooktest.Data
		err = json.NewDecoder(answer.Body).Decode(&document)
		_ = answer.Body.Close()
		if err != nil || acknowledged != "" && document.Status != acknowledged {
			t.Fatalf("%s is %+v, %v; acknowledged was %s", user, document, err, acknowledged)
		}
		if document.Revision > 0 { // else nobody knows the user
			receiver.AwaitStatus(user, document.Status)
		}
	}
}

// moody answers slowly, and sometimes not at all until the daemon has gone.
func moody(_ http.ResponseWriter, r *http.Request, _ webhooktest.Message) int {
	select {
	case <-time.After(time.Duration(rand.IntN(4)) * time.Millisecond):
	case <-r.Context().Done():
		return 0
	}
	return http.StatusOK
}

// TestWebhooksOverKills kills the daemon again and again while users change, while its receivers are slow, dead, or answer with a failure or a redirect. In
// the end every receiver knows what every user is, and it was never told anything older than before.
func TestWebhooksOverKills(t *testing.T) {
	slow, failing, dead, leading, stable := webhooktest.Start(t), webhooktest.Start(t), webhooktest.Start(t), webhooktest.Start(t), webhooktest.Start(t)
	receivers := []*webhooktest.Receiver{slow, failing, dead, leading, stable}
	file := write(t, "presence.yaml", fmt.Sprintf("http: {listen: 127.0.0.1:0}\nauth: {secret: %s, services: [%s], token_expire: 24h}\nstore: {dir: %q}\nwebhooks: [%s, %s, %s, %s, %s]\n",
		testSecret, clerk, filepath.Join(t.TempDir(), "store"),
		slow.Entry("slow", ""), failing.Entry("failing", ""), dead.Entry("dead", ""), leading.Entry("leading", ""), stable.Entry("stable", "")))
	mine := token(t, secretEnv, clerk)
	users := map[string]string{}
	var n *node
	for round := range 4 {
		switch round {
		case 0, 2:
			slow.Respond(moody)
			failing.Respond(webhooktest.Status(http.StatusInternalServerError))
			dead.Respond(webhooktest.Hang)
			leading.Respond(webhooktest.Status(http.StatusTemporaryRedirect))
		case 1, 3:
			for _, receiver := range receivers {
				receiver.Respond(moody)
			}
		}
		n = serving(t, "--config", file, "--store.kind=bolt")
		c := changes(t, mine, fmt.Sprint("round", round, "-"), n.url)
		time.Sleep(time.Duration(300+rand.IntN(500)) * time.Millisecond)
		switch round {
		case 0: // in peace: what is acknowledged is kept at the end
			_ = n.Process.Signal(syscall.SIGTERM)
			_ = n.Wait()
		case 1:
			_ = n.Process.Kill()
			_ = n.Wait()
		case 2: // it is kept every five seconds
			c.end()
			time.Sleep(6 * time.Second)
			_ = n.Process.Kill()
			_ = n.Wait()
		}
		c.end()
		maps.Copy(users, c.last)
	}
	for _, receiver := range receivers {
		agrees(t, receiver, n.url, mine, users)
	}
	if t.Failed() {
		t.Log(n.log())
	}
	ids := map[string]string{} // to bodies' users and revisions
	for _, m := range slow.Messages() {
		what := fmt.Sprint(m.Data.User, " ", m.Data.Revision, " ", m.Data.Status)
		if before, sent := ids[m.ID]; sent && before != what {
			t.Errorf("%s is the id of %s and of %s", m.ID, before, what)
		}
		ids[m.ID] = what
	}
}

// serving starts a daemon that is a process of its own, and waits until it is ready.
func serving(t *testing.T, args ...string) *node {
	t.Helper()
	n := &node{Cmd: start(t, nil, append([]string{"serve"}, args...)...)}
	eventually(t, "the daemon is ready", func() bool {
		_, rest, listens := strings.Cut(n.log(), "msg=listening url=")
		n.url, _, _ = strings.Cut(rest, "\n")
		return listens && strings.Contains(n.log(), "msg=started")
	})
	return n
}

// TestWebhooksOfACluster kills the daemon of three that sends, while users change and one receiver is dead, and halts the next. Another one takes over each
// time, and in the end every receiver knows what every user is, and was never told anything older than before.
func TestWebhooksOfACluster(t *testing.T) {
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	good, dead := webhooktest.Start(t), webhooktest.Start(t)
	good.Respond(moody)
	dead.Respond(webhooktest.Hang)
	args := []string{"--store.kind=nats", "--store.url=" + cluster.URL(), "--config", write(t, "presence.yaml", fmt.Sprintf(
		"http: {listen: 127.0.0.1:0}\nauth: {secret: %s, services: [%s], token_expire: 24h}\nwebhooks: [%s, %s]\n",
		testSecret, clerk, good.Entry("good", ""), dead.Entry("dead", "")))}
	first, mine := serving(t, args...), token(t, secretEnv, clerk)
	eventually(t, "it sends to both", func() bool {
		return strings.Contains(first.log(), "lease=webhook.good") && strings.Contains(first.log(), "lease=webhook.dead")
	})
	others := []*node{serving(t, args...), serving(t, args...)}
	early := changes(t, mine, "early", others[0].url, others[1].url)
	eventually(t, "it sends", func() bool { return len(good.Taken()) > 50 })
	early.end()
	time.Sleep(6 * time.Second) // what is acknowledged is kept
	killed := time.Now()
	_ = first.Process.Kill()
	_ = first.Wait()
	dead.Respond(nil)
	late := changes(t, mine, "late", others[0].url, others[1].url)
	eventually(t, "another one sends", func() bool { return len(dead.Taken()) > 0 })
	if took := time.Since(killed); took > 12*time.Second {
		t.Errorf("another daemon sends only after %v", took)
	} else {
		t.Logf("another daemon sends after %v", took)
	}
	late.end()
	for _, name := range []string{"good", "dead"} {
		if senders := strings.Count(others[0].log()+others[1].log(), "lease=webhook."+name); senders != 1 {
			t.Errorf("%d daemons have taken over %s", senders, name)
		}
	}
	halted := haltSender(t, mine, others)
	users := maps.Clone(early.last)
	maps.Copy(users, late.last)
	maps.Copy(users, halted.last)
	for _, receiver := range []*webhooktest.Receiver{good, dead} {
		agrees(t, receiver, others[0].url, mine, users)
	}
}

// haltSender halts the daemon of two that sends, while users change, until the other one has taken over, and a little longer. When it goes on it knows less
// than what was told meanwhile.
func haltSender(t *testing.T, token string, nodes []*node) *changing {
	t.Helper()
	sender, other := nodes[0], nodes[1]
	if strings.Contains(other.log(), "lease=webhook.good") {
		sender, other = other, sender
	}
	c := changes(t, token, "halted", other.url)
	time.Sleep(300 * time.Millisecond)
	if err := sender.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other one has taken over", func() bool { return strings.Contains(other.log(), "lease=webhook.good") })
	time.Sleep(time.Second)
	if err := sender.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	c.end()
	return c
}
