package command

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// fewKills is how often TestKill kills the daemon, unless the environment variable CHAOS_KILLS says another number, as `make chaos` does.
	fewKills = 6

	// manyKills is from how many on there must have been one in the middle of a snapshot.
	manyKills = 20
)

// crew is a client that puts, again and again, each of its groups of users in one request.
type crew struct {
	name    string
	groups  int
	users   int    // in each group
	padding string // makes the messages longer
}

// crews are the clients. The last one makes the journal grow by 16 MiB every few seconds at the latest, which is when there is a
// snapshot, and makes snapshots large enough to be interrupted.
var crews = []crew{
	{name: "one", groups: 8, users: 1},
	{name: "two", groups: 8, users: 1},
	{name: "three", groups: 8, users: 1},
	{name: "four", groups: 8, users: 1},
	{name: "together", groups: 4, users: 8},
	{name: "long", groups: 16, users: 64, padding: strings.Repeat("long message ", 300)},
}

func (c crew) group(i int) []string {
	users := make([]string, c.users)
	for j := range users {
		users[j] = fmt.Sprintf("%s-%d-%d@example.test", c.name, i, j)
	}
	return users
}

// put is what is known of the state of a group of users: the number that was acknowledged last, and those put since, whose outcome is open.
type put struct {
	acknowledged int
	open         []int
}

// killed is a daemon that is killed again and again, and its clients.
type killed struct {
	t     *testing.T
	dir   string
	args  []string
	token string

	number       atomic.Int64 // the last one that was put
	acknowledged atomic.Int64 // requests
	unavailable  atomic.Int64 // requests
	interrupted  int          // snapshots
	made         int          // snapshots

	mu   sync.Mutex
	puts map[string]*put // by a group's first user
}

// TestKill kills the daemon at random moments while clients put continuously, while it makes a snapshot, and while it starts. After each
// restart every user's state is the one that was acknowledged last, or one that was on its way; and of a request with several users all are
// there or none.
func TestKill(t *testing.T) {
	kills := fewKills
	if text := os.Getenv("CHAOS_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil || kills < 2 {
			t.Fatalf("CHAOS_KILLS=%s is not a number of kills, 2 at least", text)
		}
	}
	k := &killed{t: t, dir: filepath.Join(t.TempDir(), "store"), token: token(t, secretEnv, "intranet@example.test"), puts: map[string]*put{}}
	k.args = []string{"serve", "--http.listen=127.0.0.1:0", "--store.kind=bolt", "--store.dir=" + k.dir, "--log.level=debug",
		"--spreed.auto_unavailable=24h", "--auth.services=intranet@example.test", "--auth.token_expire=24h"}
	for i := range kills {
		switch i % 4 {
		case 1:
			k.round(i, k.inSnapshot)
		case 2:
			k.starting()
			fallthrough // what it was doing then must not have hurt
		default:
			k.round(i, k.atRandom)
		}
	}
	n := k.start()
	k.check(n, "at the end")
	k.kill(n)
	t.Logf("%d requests were acknowledged, %d were answered with 503; %d snapshots were made, %d were interrupted",
		k.acknowledged.Load(), k.unavailable.Load(), k.made, k.interrupted)
	if k.acknowledged.Load() == 0 {
		t.Error("nothing was acknowledged")
	}
	if kills >= manyKills && (k.made == 0 || k.interrupted == 0) {
		t.Error("there were too few snapshots")
	}
}

// round starts the daemon, checks what it knows, and kills it while the clients put.
func (k *killed) round(round int, kill func(*node)) {
	k.t.Helper()
	n := k.start()
	k.check(n, fmt.Sprintf("in round %d", round))
	var clients sync.WaitGroup
	for _, crew := range crews {
		clients.Go(func() { k.client(n, crew) })
	}
	kill(n)
	clients.Wait()
}

// start starts the daemon and waits until it is ready.
func (k *killed) start() *node {
	k.t.Helper()
	n := k.launch()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(n.log(), "msg=started protocols="); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(n.log(), "\nzarafa-presence: ") || time.Now().After(deadline) {
			k.t.Fatalf("the daemon does not start:\n%s", n.log())
		}
	}
	_, rest, _ := strings.Cut(n.log(), "msg=listening url=")
	n.url, _, _ = strings.Cut(rest, "\n")
	return n
}

func (k *killed) launch() *node { return &node{Cmd: start(k.t, secretEnv, k.args...)} }

// starting kills the daemon before it is ready, or right after.
func (k *killed) starting() {
	n := k.launch()
	time.Sleep(time.Duration(rand.IntN(250)) * time.Millisecond)
	k.kill(n)
}

func (k *killed) kill(n *node) {
	k.t.Helper()
	if err := n.Process.Kill(); err != nil {
		k.t.Fatalf("it has ended by itself: %v\n%s", err, n.log())
	}
	if err := n.Wait(); err == nil || err.Error() != "signal: killed" {
		k.t.Fatalf("it has ended by itself: %v\n%s", err, n.log())
	}
	k.made += snapshotsMade(n)
}

func snapshotsMade(n *node) int { return strings.Count(n.log(), `msg="snapshot made"`) }

func (k *killed) atRandom(n *node) {
	k.t.Helper()
	time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond)
	k.kill(n)
}

// inSnapshot kills the daemon when it has begun to make a snapshot, or a little later.
func (k *killed) inSnapshot(n *node) {
	k.t.Helper()
	begun := func() int { return strings.Count(n.log(), `msg="making a snapshot"`) }
	for deadline, before := time.Now().Add(time.Minute), begun(); begun() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			k.t.Fatal("no snapshot within a minute")
		}
	}
	made := snapshotsMade(n)
	time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // a snapshot takes some tens
	k.kill(n)
	if snapshotsMade(n) == made {
		k.interrupted++
	}
}

// client puts until the daemon does not answer any more.
func (k *killed) client(n *node, c crew) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Timeout: 30 * time.Second, Transport: transport}
	for turn := rand.IntN(c.groups); ; turn++ {
		users := c.group(turn % c.groups)
		number := int(k.number.Add(1))
		entries := make([]string, len(users))
		for i, user := range users {
			entries[i] = fmt.Sprintf(`{"user_id":%q,"spreed":{"status":"busy","message":"number %d. %s"}}`, user, number, c.padding)
		}
		k.tried(users[0], number)
		status, answer, err := k.send(client, "PUT", n, entries)
		switch {
		case err != nil:
			return
		case status == http.StatusOK:
			k.kept(users[0], number)
			k.acknowledged.Add(1)
		case status == http.StatusServiceUnavailable: // its outcome stays open
			k.unavailable.Add(1)
		default:
			k.t.Errorf("PUT is answered with %d %s", status, answer)
			return
		}
	}
}

func (k *killed) send(client *http.Client, method string, n *node, entries []string) (status int, answer []byte, err error) {
	body := fmt.Sprintf(`{"AuthenticationToken":%q,"Type":"UserStatus","UserStatus":[%s]}`, k.token, strings.Join(entries, ","))
	request, err := http.NewRequestWithContext(k.t.Context(), method, n.url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

func (k *killed) tried(group string, number int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.puts[group] == nil {
		k.puts[group] = &put{}
	}
	k.puts[group].open = append(k.puts[group].open, number)
}

// kept notes that a number holds: it was acknowledged, or seen.
func (k *killed) kept(group string, number int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	*k.puts[group] = put{acknowledged: number}
}

// check compares what the daemon knows with what was acknowledged. What it knows has to be there from then on.
func (k *killed) check(n *node, when string) {
	k.t.Helper()
	for _, c := range crews {
		for i := range c.groups {
			users := c.group(i)
			p := k.puts[users[0]]
			if p == nil {
				p = &put{}
				k.puts[users[0]] = p
			}
			shown := k.shown(n, users)
			if len(slices.Compact(slices.Clone(shown))) != 1 {
				k.t.Errorf("%s: of requests with all of %s and its group there is %d", when, users[0], shown)
			}
			if shown[0] != p.acknowledged && !slices.Contains(p.open, shown[0]) {
				k.t.Errorf("%s: %s has number %d; %d was acknowledged, %d were put since", when, users[0], shown[0], p.acknowledged, p.open)
			}
			k.kept(users[0], shown[0])
		}
	}
}

// shown returns the number that the daemon knows of each user, 0 if it knows nobody of that name.
func (k *killed) shown(n *node, users []string) []int {
	k.t.Helper()
	entries := make([]string, len(users))
	for i, user := range users {
		entries[i] = fmt.Sprintf(`{"user_id":%q}`, user)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	status, body, err := k.send(&http.Client{Timeout: 30 * time.Second, Transport: transport}, "GET", n, entries)
	var answer struct {
		UserStatus []struct {
			Spreed struct{ Status, Message string }
		}
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &answer) != nil || len(answer.UserStatus) != len(users) {
		k.t.Fatalf("GET answers %d %.200s (%v)", status, body, err)
	}
	numbers := make([]int, len(users))
	for i := range users {
		spreed := answer.UserStatus[i].Spreed
		if spreed.Status == "" {
			continue
		}
		if _, err := fmt.Sscanf(spreed.Message, "number %d.", &numbers[i]); err != nil || spreed.Status != "busy" {
			k.t.Fatalf("%s is %s with the message %.40q", users[i], spreed.Status, spreed.Message)
		}
	}
	return numbers
}
