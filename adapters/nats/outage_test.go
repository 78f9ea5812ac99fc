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

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/ports"
)

// load writes on all stores, without pause, until it is ended: each writer counts in a presence of its own and in one that it shares with the
// writers of all stores.
type load struct {
	t       *testing.T
	stores  []*nats.Store
	ending  atomic.Bool
	writing sync.WaitGroup

	written atomic.Int64 // acknowledged writes
	unknown atomic.Int64 // writes that were not acknowledged, and may have come about
	refused [3]atomic.Int64
	done    [3]atomic.Int64
	acked   [3][writersEach]atomic.Int64 // the last count that was acknowledged, for each writer
}

const writersEach = 2

func writer(store, number int) domain.UserID {
	return domain.UserID(fmt.Sprintf("writer%d.%d@example.test", store, number))
}

func begin(t *testing.T, stores []*nats.Store) *load {
	l := &load{t: t, stores: stores}
	for i := range stores {
		for w := range writersEach {
			l.writing.Go(func() {
				for !l.ending.Load() {
					l.count(i, w)
				}
			})
		}
	}
	t.Cleanup(func() {
		l.ending.Store(true)
		l.writing.Wait()
	})
	return l
}

// count writes once.
func (l *load) count(store, number int) {
	s := l.stores[store]
	var writes []ports.Write
	for _, user := range []domain.UserID{writer(store, number), "shared@example.test"} {
		old, _ := s.Presences(user).On(web)
		old.Protocol = web
		next := old
		next.Updated = now()
		next.Since++
		next.Message = fmt.Sprint(next.Since)
		writes = append(writes, ports.Write{User: user, Old: old, New: next})
	}
	began := time.Now()
	err := s.Apply(context.Background(), writes)
	if took := time.Since(began); took > 2*time.Second+slow*200*time.Millisecond {
		l.t.Errorf("Apply took %v and returned %v", took, err)
	}
	switch {
	case err == nil:
		l.written.Add(1)
		l.done[store].Add(1)
		l.acked[store][number].Store(int64(writes[0].New.Since))
		if p, _ := s.Presences(writes[0].User).On(web); p.Since < writes[0].New.Since {
			l.t.Errorf("store %d does not read its own write", store)
		}
	case errors.Is(err, ports.ErrConflict):
	case errors.Is(err, ports.ErrUnavailable):
		l.unknown.Add(1)
		l.refused[store].Add(1)
		time.Sleep(20 * time.Millisecond) // as a client does
	default:
		l.t.Errorf("Apply = %v", err)
	}
}

// awaitWrites waits until a write on each store was acknowledged that began after now.
func (l *load) awaitWrites(when string) {
	l.t.Helper()
	began := time.Now()
	for i := range l.stores {
		for before := l.done[i].Load(); l.done[i].Load() < before+writersEach+1; time.Sleep(5 * time.Millisecond) {
			if time.Since(began) > 30*time.Second {
				l.t.Fatalf("%s: store %d takes no writes", when, i)
			}
		}
	}
	l.t.Logf("%s: all stores take writes after %v", when, time.Since(began).Round(time.Millisecond))
}

// end ends the load, and checks that all stores have the same, and everything that was acknowledged.
func (l *load) end() {
	l.t.Helper()
	l.ending.Store(true)
	l.writing.Wait()
	began := time.Now()
	converge(l.t, l.stores...)
	l.t.Logf("%d writes acknowledged, %d not; the stores are equal after %v", l.written.Load(), l.unknown.Load(), time.Since(began).Round(time.Millisecond))
	for i, s := range l.stores {
		var sum int64
		for j := range l.stores {
			for w := range writersEach {
				p, _ := s.Presences(writer(j, w)).On(web)
				if acked := l.acked[j][w].Load(); int64(p.Since) < acked {
					l.t.Errorf("store %d has count %d of %s, and %d was acknowledged", i, p.Since, writer(j, w), acked)
				}
				sum += int64(p.Since)
			}
		}
		p, _ := s.Presences("shared@example.test").On(web)
		if count := int64(p.Since); count != sum || count < l.written.Load() || count > l.written.Load()+l.unknown.Load() {
			l.t.Errorf("store %d: the shared presence counts %d writes, the others %d; %d were acknowledged and %d unknown",
				i, count, sum, l.written.Load(), l.unknown.Load())
		}
		select {
		case err := <-s.Failed():
			l.t.Errorf("store %d has failed: %v", i, err)
		default:
		}
	}
}

// TestAServerIsKilled kills the server that leads the journal while everybody writes; it comes back later, and another one is killed.
func TestAServerIsKilled(t *testing.T) {
	t.Parallel()
	cluster, stores := three(t)
	l := begin(t, stores)
	l.awaitWrites("before")
	leader := cluster.Server(cluster.Leader(t, "presence_journal"))
	leader.Kill()
	l.awaitWrites("after the journal's leader was killed")
	leader.Restart(t)
	other := cluster.Servers[0]
	if other == leader {
		other = cluster.Servers[1]
	}
	other.Kill()
	l.awaitWrites("after the first was back and another was killed")
	other.Restart(t)
	l.end()
}

// TestAServerIsFrozen halts the journal's leader for a while, without a word to anybody.
func TestAServerIsFrozen(t *testing.T) {
	t.Parallel()
	cluster, stores := three(t)
	l := begin(t, stores)
	l.awaitWrites("before")
	leader := cluster.Server(cluster.Leader(t, "presence_journal"))
	leader.Freeze()
	l.awaitWrites("after the journal's leader was frozen")
	leader.Thaw()
	l.awaitWrites("after it was thawed")
	l.end()
}

// TestTheLogTellsOfAnOutage: when it begins and when it is over, whether the connection is lost or there is no majority.
func TestTheLogTellsOfAnOutage(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 3})
	var log logged
	s := joined(t, cluster.URL(), 3, nil, &log)
	l := begin(t, []*nats.Store{s})
	l.awaitWrites("before")
	says := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), want); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the log does not say %q:\n%s", want, log.String())
			}
		}
	}
	name, err := s.Feeder(t.Context())
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
	says("store degraded: the journal cannot be written")
	if strings.Contains(log.String(), "again\n") {
		t.Errorf("the log says that all is well, without a majority:\n%s", log.String())
	}
	feeder.Launch(t)
	other.Launch(t)
	says("store: the journal is followed again")
	says("store: the journal can be written again")
	for _, server := range cluster.Servers {
		server.Kill()
	}
	says("store degraded: the connection to NATS is lost")
	for _, server := range cluster.Servers {
		server.Launch(t)
	}
	says("store connected again")
	l.awaitWrites("after")
	l.end()
}

// TestAllServersAreDown kills all servers: reads go on, writes are refused in time, and everything is there when the servers are.
func TestAllServersAreDown(t *testing.T) {
	t.Parallel()
	cluster, stores := three(t)
	l := begin(t, stores)
	l.awaitWrites("before")
	for _, s := range cluster.Servers {
		s.Kill()
	}
	before := [3]int64{l.refused[0].Load(), l.refused[1].Load(), l.refused[2].Load()}
	for i, s := range stores {
		for deadline := time.Now().Add(5 * time.Second); l.refused[i].Load() < before[i]+5; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("store %d does not refuse writes", i)
			}
		}
		for w := range writersEach {
			if p, _ := s.Presences(writer(i, w)).On(web); int64(p.Since) < l.acked[i][w].Load() {
				t.Errorf("store %d reads %+v while all servers are down", i, p)
			}
		}
		if p, found := s.Presences("shared@example.test").On(web); !found {
			t.Errorf("store %d reads %+v while all servers are down", i, p)
		}
	}
	for _, s := range cluster.Servers {
		s.Launch(t)
	}
	l.awaitWrites("after all servers were started again")
	l.end()
}

// TestAllServersAreFrozen halts all servers: nothing hangs, not even Stop.
func TestAllServersAreFrozen(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	s := joined(t, cluster.URL(), 1, nil)
	set(t, s, numbered(1), web, domain.Busy, "before")
	cluster.Servers[0].Freeze()
	began := time.Now()
	old, _ := s.Presences(numbered(1)).On(web)
	next := old
	next.Message = "after"
	if err := s.Apply(t.Context(), []ports.Write{{User: numbered(1), Old: old, New: next}}); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("Apply = %v, want ErrUnavailable", err)
	}
	if took := time.Since(began); took > 2*time.Second+slow*200*time.Millisecond {
		t.Errorf("Apply took %v", took)
	}
	if p, _ := s.Presences(numbered(1)).On(web); p != old {
		t.Errorf("reads %+v, want %+v", p, old)
	}
}
