package commit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// TestWhateverTheJournalDoes: what was acknowledged has taken effect wholly. What was refused never does, unless nobody could know. No call takes
// longer than two seconds, none gives up earlier, and in the end nothing is left over.
func TestWhateverTheJournalDoes(t *testing.T) {
	for range 10 {
		chanceTest(t, func(c *chance) {
			c.callers()
			time.Sleep(20 * step) // until the last entry has been delivered
			c.nothingIsLeft()
			for message := range c.refused {
				if n := c.effectsOf(message); n != 0 {
					c.t.Errorf("%s was refused, and has taken effect for %d users", message, n)
				}
			}
			c.journal.append = nil
			for i := range chanceUsers {
				began := time.Now()
				if err := c.put(c.t.Context(), numbered(i), "the last"); err != nil || time.Since(began) != 0 {
					c.t.Errorf("in the end err = %v after %v", err, time.Since(began))
				}
			}
		})
	}
}

// TestTheEndAmongCalls: the same, but that some of what is refused at the end may have taken effect.
func TestTheEndAmongCalls(t *testing.T) {
	for i := range 10 {
		chanceTest(t, func(c *chance) {
			time.AfterFunc(time.Duration(i)*3*step, func() {
				c.mu.Lock()
				c.ended = true
				c.mu.Unlock()
				c.end()
			})
			c.callers()
			c.nothingIsLeft()
		})
	}
}

// chanceTest runs a test in fake time.
func chanceTest(t *testing.T, test func(c *chance)) {
	t.Helper()
	seed := rand.Uint64()
	scriptedTest(t, func(t *testing.T, b *bench) {
		hangs := time.AfterFunc(time.Hour, func() { panic("a call does not end") }) // everything else goes on
		defer hangs.Stop()
		c := &chance{bench: b, t: t, seed: seed, fates: rand.New(rand.NewPCG(seed, 0)), effects: make(map[string]int), seen: make(map[domain.UserID]domain.Revision)}
		c.refused = make(map[string]bool)
		c.journal.append = c.append
		test(c)
	})
	if t.Failed() {
		t.Fatalf("the seed was %d", seed)
	}
}

const (
	chanceUsers   = 6
	chanceCallers = 24
	chanceCalls   = 60

	step = 250 * time.Millisecond // all times are multiples of it, so that much happens at the same moment
)

var (
	errUnknown = errors.New("connection lost")
	errPlan    = errors.New("the plan fails")
)

// chance has many callers write to few users, and decides what becomes of each entry. It sees what takes effect.
type chance struct {
	*bench
	t      *testing.T
	seed   uint64
	fates  *rand.Rand // of entries; belongs to append
	others int        // how many entries of another daemon there were; the same

	mu      sync.Mutex     // held while an entry is delivered
	ended   bool           // nothing is delivered any more
	effects map[string]int // for how many users a message has taken effect
	seen    map[domain.UserID]domain.Revision
	refused map[string]bool // messages
}

// callers has all callers do what they do, one thing after the other.
func (c *chance) callers() {
	var all sync.WaitGroup
	for i := range chanceCallers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(c.seed, uint64(i)+1))
			for n := range chanceCalls {
				c.call(r, fmt.Sprintf("%d of caller %d", n, i))
			}
		})
	}
	all.Wait()
}

func (c *chance) nothingIsLeft() {
	if queued, busy, sent := c.Pending(); queued+busy+sent != 0 {
		c.t.Errorf("in the end %d groups are queued, %d presences busy and %d batches sent", queued, busy, sent)
	}
}

// call does one of the things that callers do.
func (c *chance) call(r *rand.Rand, message string) {
	ctx := c.t.Context()
	if r.IntN(3) == 0 {
		within, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(10))*step)
		defer cancel()
		ctx = within
	}
	if r.IntN(4) == 0 {
		time.Sleep(time.Duration(r.IntN(9)) * step)
	}
	if r.IntN(1000) == 0 {
		c.Halted(3 * time.Second)
	}
	began, does := time.Now(), c.write
	if r.IntN(10) == 0 {
		does = c.place
	}
	err := does(ctx, r, message)
	took, left := time.Since(began), errors.Is(err, context.DeadlineExceeded)
	switch {
	case took > 2*time.Second:
		c.t.Errorf("%s took %v: %v", message, took, err)
	case left && ctx.Err() == nil:
		c.t.Errorf("%s: %v, although it has not ended", message, err)
	case err != nil && !left && took < 2*time.Second:
		c.mu.Lock()
		c.refused[message] = true
		c.mu.Unlock()
		if strings.Contains(err.Error(), "has not answered in time") {
			c.t.Errorf("%s: %v, but after %v", message, err, took)
		}
	}
}

// write writes a message for one user or two. Its plan may fail or panic.
func (c *chance) write(ctx context.Context, r *rand.Rand, message string) (err error) {
	first, users, fails := r.IntN(chanceUsers), 1+r.IntN(2), r.IntN(50)
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %w", fault.(error))
		}
	}()
	err = c.Apply(ctx, func(writes []image.Write) ([]image.Write, error) {
		for i := range users {
			user := numbered((first + i) % chanceUsers)
			old, _ := c.image.Presences(user).On(web)
			writes = append(writes, image.Write{User: user, Old: old, New: old.Observe(domain.Shown{Status: domain.Busy, Message: message}, domain.ExpiryPolicy{}, moment)})
		}
		switch fails {
		case 0:
			return writes, errPlan
		case 1:
			panic(errPlan)
		}
		return writes, nil
	})
	if n := c.effectsOf(message); err == nil && n != users {
		c.t.Errorf("%s was acknowledged, and has taken effect for %d of %d users", message, n, users)
	}
	return err
}

// place keeps a position of an exporter.
func (c *chance) place(ctx context.Context, r *rand.Rand, message string) error {
	position := domain.Position{Exporter: domain.Exporter{Name: message}, Revision: 1 + domain.Revision(r.IntN(100))}
	err := c.Place(ctx, position)
	if err == nil && c.image.Position(position.Exporter) != position.Revision {
		c.t.Errorf("position %v was acknowledged, and is not kept", position)
	}
	return err
}

func (c *chance) effectsOf(message string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.effects[message]
}

// append decides what becomes of an entry.
func (c *chance) append(entry []byte) error {
	entry = bytes.Clone(entry)
	soon, late := time.Duration(c.fates.IntN(3))*step, time.Duration(c.fates.IntN(14))*step
	switch c.fates.IntN(24) {
	case 0: // kept, and delivered later
		time.AfterFunc(late, func() { c.deliver(entry) })
		return nil
	case 1: // perhaps kept, and delivered later
		time.AfterFunc(late, func() { c.deliver(entry) })
		time.Sleep(soon)
		return errUnknown
	case 2: // perhaps kept, and delivered before that is said
		c.deliver(entry)
		time.Sleep(soon)
		return errUnknown
	case 3: // lost
		time.Sleep(soon)
		return errUnknown
	case 4:
		time.Sleep(soon)
		return fmt.Errorf("%w: the disk is full", ports.ErrUnavailable)
	case 5:
		return ports.ErrTooLarge
	case 6: // a journal must not say that
		c.deliver(entry)
		time.Sleep(soon)
		return fmt.Errorf("%w: although it was delivered", ports.ErrUnavailable)
	case 7: // nor deliver twice
		c.deliver(entry)
		time.AfterFunc(late, func() { c.deliver(entry) })
		time.Sleep(soon)
		return nil
	case 8, 9, 10: // after another daemon's
		c.deliver(c.other())
	case 11, 12, 13:
		time.Sleep(soon)
	}
	c.deliver(entry)
	return nil
}

// other is an entry of another daemon, which writes to one of the users.
func (c *chance) other() []byte {
	user := numbered(c.fates.IntN(chanceUsers))
	c.others++
	old, _ := c.image.Presences(user).On(web)
	message := fmt.Sprintf("%d of another daemon", c.others)
	entry := image.AppendHeader(nil, image.Header{Origin: 1, Number: uint64(c.others)})
	return image.AppendGroup(entry, []image.Write{{User: user, Old: old, New: old.Observe(domain.Shown{Status: domain.Away, Message: message}, domain.ExpiryPolicy{}, moment)}})
}

// deliver delivers an entry, and notes what has taken effect.
func (c *chance) deliver(entry []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	if err := c.journal.deliver(entry); err != nil {
		c.t.Error(err)
	}
	for i := range chanceUsers {
		p, _ := c.image.Presences(numbered(i)).On(web)
		if p.Revision != c.seen[numbered(i)] {
			c.seen[numbered(i)] = p.Revision
			c.effects[p.Message]++
		}
	}
}
