package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/faultproxy"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/internal/syncbuffer"
	"github.com/zarafa/presence/ports"
)

// logged is what a daemon has said.
type logged = syncbuffer.Buffer

// load appends to all daemons, without pause, until it is ended.
type load struct {
	t         *testing.T
	daemons   []*daemon
	ending    atomic.Bool
	appending sync.WaitGroup

	kept    []atomic.Int64 // for each daemon
	refused []atomic.Int64

	mu       sync.Mutex
	outcomes map[string]error
}

func begin(t *testing.T, daemons ...*daemon) *load {
	l := &load{t: t, daemons: daemons, outcomes: map[string]error{}}
	l.kept, l.refused = make([]atomic.Int64, len(daemons)), make([]atomic.Int64, len(daemons))
	for i := range daemons {
		l.appending.Go(func() {
			for n := 0; !l.ending.Load(); n++ {
				l.append(i, fmt.Sprintf("daemon %d, entry %d", i, n))
			}
		})
	}
	t.Cleanup(func() {
		l.ending.Store(true)
		l.appending.Wait()
	})
	return l
}

// appendWithin is how long Append may take: two seconds until the servers accept the bytes, and two until they answer.
const appendWithin = 4*time.Second + slow*500*time.Millisecond

func (l *load) append(daemon int, entry string) {
	began := time.Now()
	err := l.daemons[daemon].Append(context.Background(), []byte(entry))
	if took := time.Since(began); took > appendWithin {
		l.t.Errorf("Append took %v and returned %v", took, err)
	}
	l.mu.Lock()
	l.outcomes[entry] = err
	l.mu.Unlock()
	if err == nil {
		l.kept[daemon].Add(1)
		return
	}
	l.refused[daemon].Add(1)
	time.Sleep(20 * time.Millisecond) // as the core does
}

// awaitAppends waits until each daemon has appended something after now.
func (l *load) awaitAppends(when string) {
	l.t.Helper()
	began := time.Now()
	for i := range l.daemons {
		for before := l.kept[i].Load(); l.kept[i].Load() < before+2; time.Sleep(5 * time.Millisecond) {
			if time.Since(began) > 30*time.Second {
				l.t.Fatalf("%s: daemon %d cannot append", when, i)
			}
		}
	}
	l.t.Logf("%s: all daemons append after %v", when, time.Since(began).Round(time.Millisecond))
}

// end ends the load, and checks that all daemons were given the same: everything that was kept, nothing that was not, and nothing twice.
func (l *load) end() {
	l.t.Helper()
	l.ending.Store(true)
	l.appending.Wait()
	for i, d := range l.daemons {
		d.awaitAppend(fmt.Sprintf("the last of %d", i))
	}
	equal(l.t, l.daemons...)
	kept, surelyNot, unknown, there := 0, 0, 0, 0
	for entry, err := range l.outcomes {
		count := l.daemons[0].count(entry)
		switch {
		case err == nil:
			kept++
			if count != 1 {
				l.t.Errorf("%q was kept, and given %d times", entry, count)
			}
		case errors.Is(err, ports.ErrUnavailable):
			surelyNot++
			if count != 0 {
				l.t.Errorf("%q was surely not kept (%v), and given %d times", entry, err, count)
			}
		default:
			unknown, there = unknown+1, there+count
			if count > 1 {
				l.t.Errorf("%q was given %d times", entry, count)
			}
		}
	}
	l.t.Logf("%d entries kept, %d not, %d unknown, %d of them are there", kept, surelyNot, unknown, there)
	for i, d := range l.daemons {
		select {
		case err := <-d.ended:
			l.t.Errorf("daemon %d: Follow = %v", i, err)
		default:
		}
	}
}

// TestAServerIsKilled kills the server that leads the journal while everybody appends; it comes back later, and another one is killed.
func TestAServerIsKilled(t *testing.T) {
	t.Parallel()
	cluster, daemons := three(t)
	l := begin(t, daemons...)
	l.awaitAppends("before")
	leader := cluster.Server(cluster.Leader(t, "presence_journal"))
	leader.Kill()
	l.awaitAppends("after the journal's leader was killed")
	leader.Restart(t)
	other := cluster.Servers[0]
	if other == leader {
		other = cluster.Servers[1]
	}
	other.Kill()
	l.awaitAppends("after the first was back and another was killed")
	other.Restart(t)
	l.end()
}

// TestAServerIsFrozen halts the journal's leader for a while, without a word to anybody.
func TestAServerIsFrozen(t *testing.T) {
	t.Parallel()
	cluster, daemons := three(t)
	l := begin(t, daemons...)
	l.awaitAppends("before")
	leader := cluster.Server(cluster.Leader(t, "presence_journal"))
	leader.Freeze()
	l.awaitAppends("after the journal's leader was frozen")
	leader.Thaw()
	l.awaitAppends("after it was thawed")
	l.end()
}

// TestTheLogTellsOfAnOutage: when it begins and when it is over, whether the connection is lost or there is no majority.
func TestTheLogTellsOfAnOutage(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 3})
	var log logged
	d := open(t, cluster.URL(), replicas(3), &log)
	says := func(want string) {
		t.Helper()
		d.await("the log does not say "+want, func() bool { return strings.Contains(log.String(), want) })
	}
	name, err := d.Feeder(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	feeder := cluster.Server(name)
	other := cluster.Servers[0]
	if other == feeder {
		other = cluster.Servers[1]
	}
	feeder.Kill()
	other.Kill()
	says("store degraded: the journal cannot be followed")
	if strings.Contains(log.String(), "can be followed again") {
		t.Errorf("the log says that all is well, without a majority:\n%s", log.String())
	}
	feeder.Launch(t)
	other.Launch(t)
	says("store: the journal can be followed again")
	for _, server := range cluster.Servers {
		server.Kill()
	}
	says("store degraded: the connection to NATS is lost")
	for _, server := range cluster.Servers {
		server.Launch(t)
	}
	says("store connected again")
	d.awaitAppend("after")
}

// TestAllServersAreDown kills all servers: nothing can be appended meanwhile, and everything is there when the servers are.
func TestAllServersAreDown(t *testing.T) {
	t.Parallel()
	cluster, daemons := three(t)
	l := begin(t, daemons...)
	l.awaitAppends("before")
	for _, s := range cluster.Servers {
		s.Kill()
	}
	for i := range daemons {
		for before, deadline := l.refused[i].Load(), time.Now().Add(10*time.Second); l.refused[i].Load() < before+5; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("daemon %d does not refuse entries", i)
			}
		}
	}
	for _, s := range cluster.Servers {
		s.Launch(t)
	}
	l.awaitAppends("after all servers were started again")
	l.end()
}

// TestAllServersAreFrozen halts all servers: nothing hangs, neither Append nor the end of Follow.
func TestAllServersAreFrozen(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	d := open(t, cluster.URL(), nil)
	d.append("before")
	cluster.Servers[0].Freeze()
	began := time.Now()
	err := d.Append(t.Context(), []byte("after"))
	if took := time.Since(began); err == nil || errors.Is(err, ports.ErrUnavailable) || took > 2*time.Second+slow*500*time.Millisecond {
		t.Errorf("Append = %v after %v; want that it is not known, after two seconds", err, took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began = time.Now()
	if err := d.Append(ctx, []byte("in a hurry")); took(began) > slow*time.Second || err == nil {
		t.Errorf("Append = %v after %v, although its context had ended", err, took(began))
	}
}

func took(began time.Time) time.Duration { return time.Since(began) }

// TestLostAnswers: entries arrive, and their answers do not. It is not known whether they are kept; they are, and are given.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	proxy := faultproxy.Start(t, cluster.Servers[0].Addr)
	free, behind := open(t, cluster.URL(), nil), open(t, "nats://"+proxy.Addr(), nil)
	for round := range 3 {
		entry := fmt.Sprintf("lost %d", round)
		proxy.LoseAnswers()
		if err := behind.Append(t.Context(), []byte(entry)); err == nil || errors.Is(err, ports.ErrUnavailable) {
			t.Errorf("Append whose answer is lost = %v, want that it is not known", err)
		}
		free.awaitEntry(entry)
		if n := behind.count(entry); n != 0 {
			t.Errorf("%q was given %d times, although nothing arrives", entry, n)
		}
		proxy.Restore()
		behind.awaitEntry(entry)
		behind.awaitAppend(fmt.Sprintf("after %d", round))
		equal(t, free, behind)
	}
}

// TestConnectionsBreak: the connection breaks again and again while two daemons append.
func TestConnectionsBreak(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	proxy := faultproxy.Start(t, cluster.Servers[0].Addr)
	free, behind := open(t, cluster.URL(), nil), open(t, "nats://"+proxy.Addr(), nil)
	l := begin(t, free, behind)
	for round := range 15 {
		l.awaitAppends(fmt.Sprintf("before break %d", round))
		proxy.Cut()
		proxy.Restore()
	}
	l.awaitAppends("after")
	l.end()
}
