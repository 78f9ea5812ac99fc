package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fewKills is how often TestKill kills the daemon, unless the environment variable CHAOS_KILLS says another number, as `make chaos` does.
const fewKills = 6

// put is what a client knows of a user's state: the number that was acknowledged last, and the one that was put last, whose outcome may be
// open.
type put struct{ acknowledged, tried int }

// killed is a daemon that is killed again and again, and its clients.
type killed struct {
	t     *testing.T
	args  []string
	token string

	mu   sync.Mutex
	puts map[string]*put // by user
}

// The clients of a killed daemon: each puts its own users, some of them all at once.
const (
	killClients = 6
	killUsers   = 8
)

func killUser(client, i int) string { return fmt.Sprintf("client%d-%d@example.test", client, i) }

// TestKill kills the daemon at random moments while clients put continuously: after each restart every user's state is the one that was
// acknowledged last, or the one that was on its way; and of a request with several users all are there or none.
func TestKill(t *testing.T) {
	kills := fewKills
	if text := os.Getenv("CHAOS_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil || kills < 1 {
			t.Fatalf("CHAOS_KILLS=%s is not a number of kills", text)
		}
	}
	for _, sync := range []string{"system", "always"} {
		t.Run(sync, func(t *testing.T) {
			k := &killed{t: t, token: longToken(t), puts: map[string]*put{}}
			k.args = []string{"serve", "--http.listen=127.0.0.1:0", "--store.kind=nats", "--store.sync=" + sync, "--store.dir=" + filepath.Join(t.TempDir(), "store"),
				"--spreed.auto_unavailable=24h", "--auth.services=intranet@example.test", "--auth.token_expire=24h"}
			for round := range kills / 2 {
				k.round(round)
			}
			node := k.start()
			k.check(node, "at the end")
			total := 0
			for _, p := range k.puts {
				total += p.acknowledged
			}
			t.Logf("%d kills, %d puts acknowledged", kills/2, total)
			if total == 0 {
				t.Error("nothing was acknowledged")
			}
		})
	}
}

func longToken(t *testing.T) string {
	t.Helper()
	return token(t, secretEnv, "intranet@example.test")
}

func (k *killed) start() *node {
	k.t.Helper()
	n := &node{Cmd: start(k.t, secretEnv, k.args...)}
	eventually(k.t, "the daemon is ready", func() bool {
		_, rest, listens := strings.Cut(n.log(), "msg=listening url=")
		n.url, _, _ = strings.Cut(rest, "\n")
		return listens && strings.Contains(n.log(), "msg=started")
	})
	return n
}

// round starts the daemon, checks what it knows, lets the clients put for a while, and kills it.
func (k *killed) round(round int) {
	k.t.Helper()
	n := k.start()
	k.check(n, fmt.Sprintf("after %d kills", round))
	var clients sync.WaitGroup
	for client := range killClients {
		clients.Go(func() { k.client(n, client) })
	}
	time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond)
	if err := n.Process.Kill(); err != nil {
		k.t.Fatal(err)
	}
	_ = n.Wait() // it was killed
	clients.Wait()
}

// client puts until the daemon does not answer any more. The last client puts all of its users with each request, and long messages, so
// that the journal becomes long enough for snapshots.
func (k *killed) client(n *node, client int) {
	network := &network{t: k.t, token: k.token}
	for turn := 0; ; turn++ {
		users := []string{killUser(client, turn%killUsers)}
		padding := ""
		if client == killClients-1 {
			users = users[:0]
			for i := range killUsers {
				users = append(users, killUser(client, i))
			}
			padding = strings.Repeat("long message ", 300)
		}
		number := k.tries(users)
		entries := make([]string, len(users))
		for i, user := range users {
			entries[i] = fmt.Sprintf(`{"user_id":%q,"spreed":{"status":"busy","message":"number %d. %s"}}`, user, number, padding)
		}
		status, _ := network.send("PUT", n, strings.Join(entries, ","))
		if status == 0 {
			return
		}
		if status == 200 {
			k.acknowledged(users, number)
		}
	}
}

// tries returns the next number for some users.
func (k *killed) tries(users []string) (number int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, user := range users {
		if k.puts[user] == nil {
			k.puts[user] = &put{}
		}
		number = max(number, k.puts[user].tried+1)
	}
	for _, user := range users {
		k.puts[user].tried = number
	}
	return number
}

func (k *killed) acknowledged(users []string, number int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, user := range users {
		k.puts[user].acknowledged = number
	}
}

// check compares what the daemon knows with what was acknowledged. What it knows counts as acknowledged from then on.
func (k *killed) check(n *node, when string) {
	k.t.Helper()
	var users, entries []string
	for user := range k.puts {
		users, entries = append(users, user), append(entries, fmt.Sprintf(`{"user_id":%q}`, user))
	}
	status, body := (&network{t: k.t, token: k.token}).send("GET", n, strings.Join(entries, ","))
	var answer struct {
		UserStatus []struct {
			Spreed struct{ Message string }
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 || len(answer.UserStatus) != len(users) {
		k.t.Fatalf("%s: GET answers %d %.200s (%v)", when, status, body, err)
	}
	together := -1
	for i, user := range users {
		p := k.puts[user]
		shown := 0
		if message := answer.UserStatus[i].Spreed.Message; message != "" {
			if _, err := fmt.Sscanf(message, "number %d.", &shown); err != nil {
				k.t.Fatalf("%s: %s has the message %.40q", when, user, message)
			}
		}
		if shown < p.acknowledged || shown > p.tried {
			k.t.Errorf("%s: %s has number %d; %d was acknowledged, %d was put last", when, user, shown, p.acknowledged, p.tried)
		}
		if strings.HasPrefix(user, fmt.Sprintf("client%d-", killClients-1)) {
			if together >= 0 && shown != together {
				k.t.Errorf("%s: one request has left %d of some users and %d of others", when, together, shown)
			}
			together = shown
		}
		p.acknowledged = shown
	}
}
