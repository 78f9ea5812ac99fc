package portstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// SourceStage is what a source acts on: sources of one protocol, and servers in several states of health. The servers
// should be real ones; that which accepts and then says nothing cannot be.
type SourceStage struct {
	Source      func(t *testing.T) ports.Source // its server runs, and Online is online there
	Online      domain.UserID
	Cut         func(t *testing.T)              // ends that server's connections; it serves again when Cut returns
	Refused     func(t *testing.T) ports.Source // its server rejects the credentials
	Unreachable func(t *testing.T) ports.Source // nobody listens
	Silent      func(t *testing.T) ports.Source // its server accepts the connection and says nothing
}

// Source checks everything that ports.Source promises. create is called once for each sentence.
func Source(t *testing.T, create func(t *testing.T) SourceStage) {
	run(t, sourceContract, create)
}

var sourceContract = []contract[SourceStage]{
	{"a source names its protocol and says how long its presences are kept", func(t *testing.T, s SourceStage) {
		source := s.Source(t)
		if _, err := domain.ParseProtocol(source.Describe().Protocol.String()); err != nil {
			t.Error(err)
		}
		if source.Describe().StaleAfter < 0 {
			t.Errorf("StaleAfter = %v", source.Describe().StaleAfter)
		}
	}},
	{"Run says Connected, reports who is online, says Synced, and ends with its context", func(t *testing.T, s SourceStage) {
		p := play(t, s.Source(t))
		p.await(t, "Synced", func(w *witness) bool { return w.synced > 0 })
		p.await(t, "a report of "+string(s.Online), func(w *witness) bool { return w.online[s.Online] })
		p.end(t)
		p.seen.mu.Lock()
		defer p.seen.mu.Unlock()
		if p.seen.calls[0] != "Connected" || p.seen.connected != 1 || p.seen.synced != 1 {
			t.Errorf("Connected %d times, Synced %d times, in the order %v", p.seen.connected, p.seen.synced, p.seen.calls)
		}
	}},
	{"when the server ends the connection Run says why, and another Run finds everybody again", func(t *testing.T, s SourceStage) {
		source := s.Source(t)
		for range 2 {
			p := play(t, source)
			p.await(t, "a report of "+string(s.Online), func(w *witness) bool { return w.online[s.Online] })
			s.Cut(t)
			if err := p.ended(t); errors.Is(err, context.Canceled) || errors.Is(err, ports.ErrRejected) {
				t.Errorf("Run = %v, want what happened to the connection", err)
			}
		}
	}},
	{"a refusal is ErrRejected, and no connection", func(t *testing.T, s SourceStage) {
		p := play(t, s.Refused(t))
		if err := p.ended(t); !errors.Is(err, ports.ErrRejected) {
			t.Errorf("Run = %v, want ErrRejected", err)
		}
		p.notConnected(t)
	}},
	{"a server that is not there is an error, and no refusal", func(t *testing.T, s SourceStage) {
		p := play(t, s.Unreachable(t))
		if err := p.ended(t); errors.Is(err, ports.ErrRejected) {
			t.Errorf("Run = %v: nobody was there to refuse it", err)
		}
		p.notConnected(t)
	}},
	{"Run ends with its context even if the server says nothing", func(t *testing.T, s SourceStage) {
		p := play(t, s.Silent(t))
		p.end(t)
		p.notConnected(t)
	}},
	{"Run does nothing when its context has ended before", func(t *testing.T, s SourceStage) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		seen := newWitness()
		if err := s.Source(t).Run(ctx, seen); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want context.Canceled", err)
		}
		if len(seen.calls) > 0 {
			t.Errorf("the observer was told %v", seen.calls)
		}
	}},
}

// played is a Run in progress.
type played struct {
	seen   *witness
	cancel context.CancelFunc
	done   chan error
}

func play(t *testing.T, source ports.Source) *played {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &played{seen: newWitness(), cancel: cancel, done: make(chan error, 1)}
	go func() {
		err := source.Run(ctx, p.seen)
		p.seen.finish()
		p.done <- err
	}()
	t.Cleanup(cancel)
	return p
}

// await waits until the observer has seen something.
func (p *played) await(t *testing.T, what string, holds func(*witness) bool) {
	t.Helper()
	timeout := time.After(patience)
	for {
		p.seen.mu.Lock()
		ok, news := holds(p.seen), p.seen.news
		p.seen.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-news:
		case err := <-p.done:
			t.Fatalf("Run ended while waiting for %s: %v", what, err)
		case <-timeout:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// ended waits for Run to end by itself.
func (p *played) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.done:
		if err == nil {
			t.Fatal("Run returned no reason")
		}
		p.seen.verify(t)
		return err
	case <-time.After(3 * patience):
		t.Fatal("Run goes on")
		return nil
	}
}

// end ends the context and expects Run to follow within a second.
func (p *played) end(t *testing.T) {
	t.Helper()
	begin := time.Now()
	p.cancel()
	if err := p.ended(t); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want its context's error", err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("Run returned %v after its context had ended, a second is allowed", took)
	}
}

func (p *played) notConnected(t *testing.T) {
	t.Helper()
	p.seen.mu.Lock()
	defer p.seen.mu.Unlock()
	if len(p.seen.calls) > 0 {
		t.Errorf("the observer was told %v without a connection", p.seen.calls)
	}
}

// witness is an observer that notes what it is told.
type witness struct {
	mu        sync.Mutex
	calls     []string
	online    map[domain.UserID]bool
	connected int
	synced    int
	finished  bool
	faults    []string
	news      chan struct{} // closed and replaced with every call
}

func newWitness() *witness {
	return &witness{online: map[domain.UserID]bool{}, news: make(chan struct{})}
}

func (w *witness) note(call string) {
	w.calls = append(w.calls, call)
	if w.finished {
		w.faults = append(w.faults, call+" after Run had returned")
	}
	close(w.news)
	w.news = make(chan struct{})
}

func (w *witness) Connected() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.connected++
	w.note("Connected")
}

func (w *witness) Known(user domain.UserID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkUser(user)
	w.note("Known " + string(user))
}

func (w *witness) Report(report domain.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkUser(report.User)
	if report.Status != domain.Unavailable {
		w.online[report.User] = true
	}
	w.note(fmt.Sprintf("Report %s %q %v", report.User, report.Device, report.Status))
}

func (w *witness) Forget(user domain.UserID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkUser(user)
	w.note("Forget " + string(user))
}

func (w *witness) Synced() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.synced++
	w.note("Synced")
}

// checkUser demands an id as ParseUserID makes it.
func (w *witness) checkUser(user domain.UserID) {
	if parsed, err := domain.ParseUserID(string(user)); err != nil || parsed != user {
		w.faults = append(w.faults, fmt.Sprintf("%q is not a user id", user))
	}
}

func (w *witness) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finished = true
}

func (w *witness) verify(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fault := range slices.Compact(w.faults) {
		t.Error(fault)
	}
}
