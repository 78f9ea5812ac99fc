package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// writer brings writes to the engine. If the engine is in this process, nobody else writes: the writer itself does the comparing of
// compare-and-set, and the image in memory follows from the engine's answers. In a cluster the engine compares, and the image
// follows from the bucket (see reader).
type writer struct {
	store     *Store
	alone     bool // nobody else writes
	together  bool // the writes of all who wait are one batch, so that they share one synchronization with the disk
	inbox     string
	answers   *natsgo.Subscription
	prefix    string // of the batches' ids
	accepted  []byte // how the engine's answer to a commit begins, up to the number
	shippable chan struct{}

	mu      sync.Mutex
	last    uint64             // number of the last commit
	sent    map[uint64]*commit // by number: not answered yet
	busy    map[key]*commit    // presences that are being written
	loading *commit            // what is to be sent next, if together

	// In a cluster:
	reached   uint64             // the number of the last message that the image in memory has taken in
	accepting map[uint64]*commit // by the number of its last message: answered, and not yet part of the image
}

type key struct {
	user     domain.UserID
	protocol domain.Protocol
}

// commit is what goes to the engine in one piece.
type commit struct {
	number uint64
	writes []write
	done   chan struct{}
	err    error // valid when done is closed
}

// write is one presence of a commit.
type write struct {
	key
	next    domain.Presence // without its revision, if it is a change
	change  bool
	version uint64 // number of the message that it replaces
}

// wait waits until the commit is done, ctx ends, or it is too late.
func (c *commit) wait(ctx context.Context, tooLate <-chan time.Time) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	case <-tooLate:
		return errNoAnswer
	}
}

func newWriter(s *Store) (*writer, error) {
	w := &writer{
		store:     s,
		alone:     s.engine != nil,
		together:  s.engine != nil && s.config.Sync == syncAlways,
		inbox:     natsgo.NewInbox() + ".",
		shippable: make(chan struct{}, 1),
		sent:      make(map[uint64]*commit),
		busy:      make(map[key]*commit),
		accepting: make(map[uint64]*commit),
	}
	w.accepted = fmt.Appendf(nil, `{"stream":%q, "seq":`, "KV_"+s.config.Bucket)
	w.prefix = strings.TrimPrefix(w.inbox, natsgo.InboxPrefix)
	var err error
	if w.answers, err = s.conn.Subscribe(w.inbox+"*", w.answer); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := w.answers.SetPendingLimits(-1, -1); err != nil { // there are no more than waiting callers
		return nil, fmt.Errorf("store: %w", err)
	}
	return w, nil
}

// close ends what is still waiting. The connection is closed already.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.sent {
		w.finish(c, ports.ErrUnavailable)
	}
}

// begin checks that all writes are based on what is stored, and sends them. If one of the presences is being written by an earlier
// commit, it returns that one instead. It returns neither if there is nothing to write.
func (w *writer) begin(writes []ports.Write) (c, before *commit, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	staged := make([]write, 0, len(writes))
	for i := range writes {
		change := &writes[i]
		if before := w.busy[key{change.User, change.New.Protocol}]; before != nil {
			return nil, before, nil
		}
		entry := w.store.Find(change.User, change.New.Protocol)
		if entry.Presence != change.Old {
			return nil, nil, ports.ErrConflict
		}
		known := change.Old.Revision != 0
		if change.New.Gone && !known {
			continue
		}
		if entry.User == "" {
			entry.User = change.User // the caller leaves it to us
		}
		staged = append(staged, write{
			key:     key{entry.User, change.New.Protocol},
			next:    change.New,
			change:  !known || change.Old.Differs(change.New),
			version: entry.Version,
		})
	}
	if len(staged) == 0 {
		return nil, nil, nil
	}
	if len(staged) > maxBatch {
		return nil, nil, fmt.Errorf("%w: %d writes at once, at most %d are possible", ports.ErrUnavailable, len(staged), maxBatch)
	}
	return w.reserve(staged)
}

// reserve makes the writes a commit and sends it, or puts it to those that are sent together. The lock is held.
func (w *writer) reserve(staged []write) (c, _ *commit, err error) {
	if w.together {
		if w.loading != nil && len(w.loading.writes)+len(staged) <= maxBatch {
			c = w.loading
			c.writes = append(c.writes, staged...)
		}
	}
	if c == nil {
		w.last++
		c = &commit{number: w.last, writes: staged, done: make(chan struct{})}
	}
	for i := range staged {
		w.busy[staged[i].key] = c
	}
	if w.together {
		w.loading = c
		select {
		case w.shippable <- struct{}{}:
		default:
		}
		return c, nil, nil
	}
	w.sent[c.number] = c
	if err := w.send(c); err != nil {
		w.finish(c, err)
	}
	return c, nil, nil
}

// run sends what has come together, one batch at a time, until ctx ends.
func (w *writer) run(ctx context.Context) {
	for {
		select {
		case <-w.shippable:
		case <-ctx.Done():
			return
		}
		w.mu.Lock()
		c := w.loading
		w.loading = nil
		if c != nil {
			w.sent[c.number] = c
			if err := w.send(c); err != nil {
				w.finish(c, err)
			}
		}
		w.mu.Unlock()
		if c == nil {
			continue
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return
		}
	}
}

// finish ends a commit. The lock is held.
func (w *writer) finish(c *commit, err error) {
	delete(w.sent, c.number)
	for i := range c.writes {
		if w.busy[c.writes[i].key] == c {
			delete(w.busy, c.writes[i].key)
		}
	}
	c.err = err
	close(c.done)
}

// giveUp lets go of a commit that was not answered in time, in a cluster: whether it has come about is for the reader to find out. An
// engine in this process does answer.
func (w *writer) giveUp(c *commit) {
	if w.alone {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.err == nil {
		w.finish(c, ports.ErrUnavailable)
	}
}

// answer takes the engine's answer to a commit. All answers come in one goroutine, in order of their messages' numbers.
func (w *writer) answer(msg *natsgo.Msg) {
	number, err := strconv.ParseUint(msg.Subject[len(w.inbox):], 36, 64)
	if err != nil {
		return
	}
	last, err := w.parseAnswer(msg)
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.sent[number]
	if c == nil {
		return // given up
	}
	switch {
	case err != nil:
		w.finish(c, err)
	case w.alone:
		w.show(c, last)
		w.finish(c, nil)
	case w.reached >= last:
		w.finish(c, nil)
	default:
		delete(w.sent, number)
		w.accepting[last] = c
	}
}

// seen notes that the image in memory has come to the message with this number.
func (w *writer) seen(sequence uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached = sequence
	if c := w.accepting[sequence]; c != nil {
		delete(w.accepting, sequence)
		w.finish(c, nil)
	}
}

// show makes a commit visible whose last message has this number.
func (w *writer) show(c *commit, last uint64) {
	w.store.Lock()
	defer w.store.Unlock()
	for i := range c.writes {
		change := &c.writes[i]
		version := last - uint64(len(c.writes)-1-i)
		if change.change {
			change.next.Revision = domain.Revision(version)
		}
		w.store.PutVersion(change.user, change.next, version)
	}
}

// The codes with which the engine says that a compare-and-set has failed.
const (
	wrongLastSequence         = 10071
	wrongLastSequenceConstant = 10164
)

// parseAnswer returns the number of the last message that a commit has become.
func (w *writer) parseAnswer(msg *natsgo.Msg) (last uint64, err error) {
	if status := msg.Header.Get("Status"); status != "" { // nobody answers for the bucket
		return 0, fmt.Errorf("%w: NATS says %s", ports.ErrUnavailable, status)
	}
	if rest, found := bytes.CutPrefix(msg.Data, w.accepted); found { // the usual answer, which need not be taken apart
		digits, _, _ := bytes.Cut(bytes.TrimSuffix(rest, []byte("}")), []byte(","))
		if last, err = strconv.ParseUint(string(digits), 10, 64); err == nil {
			return last, nil
		}
	}
	var answer struct {
		Sequence uint64 `json:"seq"`
		Error    *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	err = json.Unmarshal(msg.Data, &answer)
	switch {
	case err != nil || answer.Error == nil && answer.Sequence == 0:
		return 0, fmt.Errorf("%w: NATS answers %.80q", ports.ErrUnavailable, msg.Data)
	case answer.Error == nil:
		return answer.Sequence, nil
	case answer.Error.Code == wrongLastSequence, answer.Error.Code == wrongLastSequenceConstant:
		return 0, ports.ErrConflict
	default:
		return 0, fmt.Errorf("%w: NATS says %s (%d)", ports.ErrUnavailable, answer.Error.Description, answer.Error.Code)
	}
}

// unavailable is the error for what could not even be sent.
func unavailable(err error) error {
	if errors.Is(err, natsgo.ErrReconnectBufExceeded) {
		return fmt.Errorf("%w: there is no connection to NATS", ports.ErrUnavailable)
	}
	return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
}
