package portstest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// exportFault is one way in which a plainExporter breaks the contract.
type exportFault int

const (
	exportsWell exportFault = iota
	namesNobody
	renamesItself
	skipsUsers
	skipsChanges
	tellsTheOldest
	repeatsTheOldest
	tellsTheKnown
	skipsWhatHasChanged
	neverAcknowledges
	forgetsTheKnown
	acknowledgesTooSoon
	countsNothing
	asksNoMore
	tellsEveryState
	ignoresHalts
	runsOnce
	hangsUnreachable
	hangsSilent
	tellsAfterTheEnd
	missesTheEnd
	asksAfterTheEnd
	leavesGoroutine
	tellsSecret
)

// plainReceiver takes what a plainExporter tells.
type plainReceiver struct {
	mu      sync.Mutex
	refuses bool
	silent  bool
	absent  bool
	told    []domain.State
}

var errTakesNothing = errors.New("the receiver takes nothing")

func (r *plainReceiver) take(ctx context.Context, state domain.State) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silent {
		r.mu.Unlock()
		<-ctx.Done()
		r.mu.Lock()
		return ctx.Err()
	}
	if r.refuses || r.absent {
		return errTakesNothing
	}
	r.told = append(r.told, state)
	return nil
}

func (r *plainReceiver) set(refuses bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuses = refuses
}

// plainExporter tells a plainReceiver, correctly but for one fault.
type plainExporter struct {
	to     *plainReceiver
	fault  exportFault
	asked  int
	ran    bool
	oldest domain.State // with repeatsTheOldest: the first that was told
	mu     sync.Mutex
	counts ports.ExporterStatistics
}

func (x *plainExporter) Describe() domain.Exporter {
	x.asked++
	switch x.fault {
	case namesNobody:
		return domain.Exporter{Name: "plain"}
	case renamesItself:
		return domain.Exporter{Name: "plain:x", Settings: uint64(x.asked)}
	}
	return domain.Exporter{Name: "plain:x"}
}

func (x *plainExporter) Statistics() ports.ExporterStatistics {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.counts
}

// pending is who is to be told, in the order of what can be acknowledged meanwhile.
type pending struct {
	user   domain.UserID
	state  domain.State
	before ports.Mark
}

func (x *plainExporter) Run(ctx context.Context, outbox ports.Outbox) error {
	if x.fault == tellsAfterTheEnd && ctx.Err() != nil {
		_ = x.to.take(context.Background(), domain.State{User: "a@example.test"})
	}
	if x.fault == runsOnce && x.ran {
		<-ctx.Done()
		return ctx.Err()
	}
	x.ran = true
	if x.fault == hangsSilent && x.to.silent || x.fault == hangsUnreachable && x.to.absent {
		defer time.Sleep(time.Minute)
	}
	if x.fault == leavesGoroutine {
		go time.Sleep(5 * time.Second)
	}
	if x.fault == asksAfterTheEnd {
		defer func() {
			go func() {
				time.Sleep(quiet / 2)
				late, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_, _ = outbox.Next(late)
			}()
		}()
	}
	news, over := make(chan ports.News), make(chan error, 1)
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asking.Go(func() {
		for {
			got, err := outbox.Next(ctx)
			if err != nil {
				over <- err
				return
			}
			select {
			case news <- got:
			case <-ctx.Done():
				over <- ctx.Err()
				return
			}
		}
	})
	return x.loop(ctx, outbox, news, over)
}

func (x *plainExporter) loop(ctx context.Context, outbox ports.Outbox, news chan ports.News, over chan error) error {
	var waits []pending
	var given ports.Mark
	knows, retry := map[domain.UserID]domain.Status{}, time.NewTicker(time.Second)
	defer retry.Stop()
	for n := 0; ; {
		mark := given
		if len(waits) > 0 && x.fault != acknowledgesTooSoon {
			mark = waits[0].before
		}
		if mark != (ports.Mark{}) && x.fault != neverAcknowledges {
			outbox.Acknowledge(mark)
		}
		take := news
		if x.fault == asksNoMore && len(waits) > 0 {
			take = nil
		}
		select {
		case got := <-take:
			for i, state := range got.States {
				n++
				_, known := knows[state.User]
				at := slices.IndexFunc(waits, func(p pending) bool { return p.user == state.User })
				switch {
				case got.Told && x.fault != tellsTheKnown:
					knows[state.User] = state.Unified.Status
				case x.fault == skipsUsers && i == 2, x.fault == skipsChanges && known && n%2 == 0, x.fault == skipsWhatHasChanged && n == 3 && known:
				case at < 0 || x.fault == tellsEveryState:
					waits = append(waits, pending{state.User, state, given})
				case x.fault == tellsTheOldest:
				default:
					waits[at].state = state
				}
			}
			if !got.Told || x.fault != forgetsTheKnown {
				given = got.Mark
			}
		case err := <-over:
			if x.fault == missesTheEnd && ctx.Err() == nil {
				<-ctx.Done()
			}
			if x.fault == tellsSecret {
				err = errors.Join(err, errors.New(password))
			}
			return err
		case <-retry.C:
		}
		waits = x.tell(ctx, outbox, waits, knows)
	}
}

// tell tells what waits, until something is not taken. It returns what is left.
func (x *plainExporter) tell(ctx context.Context, outbox ports.Outbox, waits []pending, knows map[domain.UserID]domain.Status) []pending {
	for len(waits) > 0 {
		state, ok := outbox.State(waits[0].user)
		if !ok && x.fault != ignoresHalts {
			return waits
		}
		if x.fault == tellsTheOldest || x.fault == tellsEveryState {
			state = waits[0].state
		}
		if status, known := knows[state.User]; known && status == state.Unified.Status && x.fault != tellsEveryState {
			waits = waits[1:]
			continue
		}
		err := x.to.take(ctx, state)
		if x.note(err, len(waits)); err != nil {
			return waits
		}
		knows[state.User] = state.Unified.Status
		if x.fault == repeatsTheOldest {
			switch x.oldest.User {
			case state.User:
				_ = x.to.take(ctx, x.oldest)
			case "":
				x.oldest = state
			}
		}
		waits = waits[1:]
	}
	x.note(nil, 0)
	return waits
}

func (x *plainExporter) note(err error, waiting int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch x.counts.Waiting = waiting; {
	case x.fault == countsNothing:
	case err != nil:
		x.counts.Failed++
		x.counts.FailingSince = 1
	default:
		x.counts.Told++
		x.counts.FailingSince = 0
	}
}

func plainStage(f exportFault) ExporterStage {
	to := &plainReceiver{}
	return ExporterStage{
		Exporter: func(testing.TB) ports.Exporter { return &plainExporter{to: to, fault: f} },
		Unreachable: func(testing.TB) ports.Exporter {
			return &plainExporter{to: &plainReceiver{absent: true}, fault: f}
		},
		Silent:  func(testing.TB) ports.Exporter { return &plainExporter{to: &plainReceiver{silent: true}, fault: f} },
		Secrets: []string{password},
		Told: func() []domain.State {
			to.mu.Lock()
			defer to.mu.Unlock()
			return slices.Clone(to.told)
		},
		Refuse: func(testing.TB) { to.set(true) },
		Accept: func(testing.TB) { to.set(false) },
	}
}
