package command

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/natstest"
)

// Those who ask about a user who is invisible. The clerk is a service that sees no more than a stranger.
const (
	stranger = "alice@example.test"
	trusted  = "pbx@example.test" // in auth.see_invisible
	other    = "bob@example.test" // whose changes tell how far a stream is
)

// trio is three daemons, each a process of its own, on three NATS servers.
type trio struct {
	t         *testing.T
	args      [3][]string
	nodes     [3]*node // nil: it is down
	followers []*audience
}

// audience is a stream of one of the daemons, about mark and somebody else.
type audience struct {
	*told
	at        int
	viewer    string
	documents int // about mark, that a stranger has been told
}

func startTrio(t *testing.T) *trio {
	t.Helper()
	nats := natstest.Start(t, natstest.Options{Servers: 3})
	file := write(t, "zarafa-presence.yaml", fmt.Sprintf(
		"http: {rate_per_user: 0}\nauth: {secret: %s, services: [%s, %s], see_invisible: [%s]}\nspreed: {auto_unavailable: 1h}\n",
		testSecret, clerk, trusted, trusted))
	c := &trio{t: t}
	for i := range c.nodes {
		c.args[i] = []string{"--config", file, "--store.kind=nats", "--store.url=" + nats.URL(), "--store.replicas=3", fmt.Sprintf("--http.listen=127.0.0.1:%d", freeport.Take(t))}
		c.nodes[i] = serving(t, c.args[i]...)
	}
	t.Cleanup(func() {
		for i, node := range c.nodes {
			if t.Failed() && node != nil {
				t.Logf("daemon %d:\n%s", i, node.log())
			}
		}
	})
	return c
}

// at is one of the daemons, to be asked.
func (c *trio) at(i int) *reloading { return &reloading{daemon: &daemon{url: c.nodes[i].url}} }

// set has a user set a presence through one of the daemons.
func (c *trio) set(i int, user, protocol, document string) {
	c.t.Helper()
	if got := c.at(i).ask(c.t, user, "PUT", "/v1/users/"+user+"/"+protocol, document); got.status != 204 {
		c.t.Fatalf("PUT %s: %d %s", document, got.status, got.body)
	}
}

// agree waits until all daemons that run show some viewers the same document about mark with the same tag, which has a text, and returns that.
func (c *trio) agree(text string, viewers ...string) (agreed reply) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("all daemons show %s the same, with %s", viewers, text), func() bool {
		agreed = reply{}
		for i, node := range c.nodes {
			for _, viewer := range viewers {
				if node == nil {
					continue
				}
				got := c.at(i).ask(c.t, viewer, "GET", "/v1/users/"+markd, "")
				if !strings.Contains(got.body, text) || agreed.status != 0 && !got.equals(agreed) {
					return false
				}
				agreed = got
			}
		}
		return true
	})
	return agreed
}

func (r reply) equals(other reply) bool {
	return r.status == other.status && r.body == other.body && r.header.Get("ETag") == other.header.Get("ETag")
}

// hold asks all daemons about mark as strangers do, over and over, until a moment that is told later. Every answer has to be what was shown before. A
// daemon that is not there, or only starts, may give none.
func (c *trio) hold(shown reply) (until func(time.Time)) {
	var end atomic.Int64
	end.Store(math.MaxInt64)
	var asking sync.WaitGroup
	for i := range c.nodes {
		asked := c.at(i)
		asking.Go(func() {
			for {
				got := asked.ask(c.t, stranger, "GET", "/v1/users/"+markd, "")
				if time.Now().UnixNano() >= end.Load() {
					return
				}
				if got.status != 0 && got.status != 503 && !got.equals(shown) {
					c.t.Errorf("daemon %d shows a stranger %d %s\nbefore it was %s", i, got.status, got.body, shown.body)
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	until = func(moment time.Time) { end.Store(moment.UnixNano()); asking.Wait() }
	c.t.Cleanup(func() { until(time.Now()) })
	return until
}

// follow has viewers follow mark through a daemon. Those who know everything since a revision are told nothing of him.
func (c *trio) follow(i int, since string, viewers ...string) {
	c.t.Helper()
	for _, viewer := range viewers {
		f := &audience{told: c.at(i).listens(c.t, viewer, markd+" "+other+since), at: i, viewer: viewer}
		if since == "" {
			f.documents = 1
		}
		c.followers = append(c.followers, f)
	}
}

// change changes what mark says, with a text that strangers must not be shown, and then the one whom all see. Followers are told what they see, and no more.
func (c *trio) change(through int, text string) {
	c.t.Helper()
	c.set(through, markd, "spreed", `{"status":"busy","message":"hidden `+text+`"}`)
	c.agree(`"message":"hidden `+text, trusted)
	c.judge(through, text)
	for _, f := range c.followers {
		if f.viewer == trusted {
			f.eventually(c.t, `"message":"hidden `+text, `"message":"after `+text)
		}
	}
}

// judge has the one change whom all see, and checks that strangers have been told as many documents about mark as they should by then.
func (c *trio) judge(through int, text string) {
	c.t.Helper()
	c.set(through, other, "spreed", `{"status":"busy","message":"after `+text+`"}`)
	for _, f := range c.followers {
		f.eventually(c.t, `"message":"after `+text)
		if got := strings.Count(f.String(), `"user":"`+markd); f.viewer != trusted && got != f.documents {
			c.t.Errorf("%s, who follows mark through daemon %d, has been told %d documents about him, not %d:\n%s", f.viewer, f.at, got, f.documents, f)
		}
	}
}

// grow makes the journal so long that one of the daemons makes a snapshot, and returns when it has.
func (c *trio) grow() {
	c.t.Helper()
	for round := range 25 {
		var entries []string
		for i := range 200 {
			entries = append(entries, fmt.Sprintf(`{"user_id":"u%d-%d@example.test","spreed":{"status":"busy","message":%q}}`, round, i, strings.Repeat("x", domain.MaxMessage)))
		}
		if status, answer := request(c.t, "PUT", c.nodes[round%3].url, signed(testSecret, clerk, time.Now()), strings.Join(entries, ",")); status != 200 {
			c.t.Fatalf("PUT: %d %s", status, answer)
		}
	}
	eventually(c.t, "a daemon makes a snapshot", func() bool {
		return slices.ContainsFunc([]int{0, 1, 2}, func(i int) bool {
			return strings.Contains(c.at(i).ask(c.t, clerk, "GET", "/metrics", "").body, `presence_journal_snapshots_total{result="made"} 1`)
		})
	})
}

// replace kills a daemon, has mark's status change meanwhile, and starts the daemon again.
func (c *trio) replace(i int) {
	c.t.Helper()
	_ = c.nodes[i].Process.Kill()
	_ = c.nodes[i].Wait()
	c.nodes[i] = nil
	c.followers = slices.DeleteFunc(c.followers, func(f *audience) bool { return f.at == i })
	c.change((i+1)%3, "while a daemon is down")
	c.nodes[i] = serving(c.t, c.args[i]...)
	if strings.Contains(c.nodes[i].log(), "pieces=0") {
		c.t.Error("the daemon has not begun with a snapshot")
	}
}

// TestInvisibleOnACluster: who becomes invisible through one of three daemons is so on all of them, for strangers who ask and who follow, also on one that
// was killed meanwhile and starts again. A service that may see the truth does so on all of them. At the end everybody is shown the truth.
func TestInvisibleOnACluster(t *testing.T) {
	c := startTrio(t)
	c.set(0, markd, "spreed", `{"status":"available","message":"here"}`)
	c.agree(`"message":"here"`, stranger, clerk, trusted)
	c.set(0, markd, "manual", `{"status":"busy","message":"writing","invisible":true,"ttl":3600}`)
	hidden := c.agree(`"status":"unavailable","message":"","activity":null,"by":"spreed"`, stranger, clerk)
	c.agree(`"invisible":true`, trusted, markd)
	since := c.at(0).ask(t, stranger, "GET", "/v1/users?user="+markd, "").body
	since, _, _ = strings.Cut(strings.TrimPrefix(since, `{"revision":`), ",")
	until := c.hold(hidden)
	for i := range c.nodes {
		c.follow(i, "", stranger, clerk, trusted)
	}
	c.change(2, "first")
	c.grow()
	c.replace(1)
	c.follow(1, "", stranger, clerk, trusted)
	c.follow(1, "&since="+since, stranger, clerk)
	c.change(1, "second")
	if got := c.at(1).ask(t, stranger, "GET", "/v1/users?user="+markd+"&since="+since, "").body; !strings.HasSuffix(got, `"users":[]}`) {
		t.Errorf("the daemon that was started again says that this has changed: %s", got)
	}

	end := time.Now().Add(3 * time.Second)
	c.set(1, markd, "manual", `{"status":"away","invisible":true,"until":"`+end.UTC().Format(time.RFC3339Nano)+`"}`)
	c.set(2, markd, "spreed", `{"status":"busy","message":"hidden third"}`)
	until(end)
	c.agree(`"message":"hidden third"`, stranger, clerk, trusted, markd)
	for _, f := range c.followers {
		f.eventually(t, `"message":"hidden third"`)
		f.documents++
	}
	c.judge(0, "the end")
}
