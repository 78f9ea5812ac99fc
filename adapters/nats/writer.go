package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// writer puts what callers write into the journal. What comes while the engine is busy goes to it in one entry, so the more callers there
// are the less each of them costs. If the engine is in this process nobody else writes, and an entry becomes part of the image when
// the engine has acknowledged it; in a cluster, when it comes back from the journal (see reader).
type writer struct {
	store   *Store
	alone   bool   // nobody else writes
	node    string // tells our entries from those of others
	inbox   string
	answers *natsgo.Subscription
	wake    chan struct{} // holds one token while there may be something to send
	entry   []byte        // what is being sent; belongs to run

	missed     atomic.Bool // the connection to our own engine was lost, and with it perhaps an answer
	degraded   atomic.Bool // the log was last told that the servers take no writes
	complained time.Time   // when the log was last told that the engine has refused something; belongs to answer

	mu      sync.Mutex // held for moments only: not to render, to send, or to show anything
	stopped bool
	last    uint64             // number of the last commit
	queue   []*commit          // not sent yet
	sent    map[uint64]*commit // by number: not done yet
	busy    map[key]*commit    // presences that are being written
}

type key struct {
	user     domain.UserID
	protocol domain.Protocol
}

// commit becomes one entry.
type commit struct {
	number  uint64
	records []record
	size    int // in bytes, at most
	groups  []*group
	late    *time.Timer   // closes tooLate, and gives the commit up
	tooLate chan struct{} // closed when nobody waits any longer
	done    chan struct{}
	ended   bool  // done is closed
	err     error // valid when done is closed
}

// group is what one call of Apply writes.
type group struct {
	commit   *commit
	records  int  // how many of the commit's
	rejected bool // the image was another than the caller thought; valid when the commit is done
}

// wait waits until the commit is done, ctx ends, or it is too late. What becomes of each group is known then.
func (c *commit) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.tooLate:
		return unavailable(errNoAnswer)
	}
}

func newWriter(s *Store) (*writer, error) {
	inbox := natsgo.NewInbox()
	w := &writer{
		store: s,
		alone: s.engine != nil,
		node:  strings.TrimPrefix(inbox, natsgo.InboxPrefix),
		inbox: inbox + ".",
		wake:  make(chan struct{}, 1),
		sent:  make(map[uint64]*commit),
		busy:  make(map[key]*commit),
	}
	var err error
	if w.answers, err = s.conn.Subscribe(w.inbox+"*", w.answer); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return w, nil
}

// close ends what is still waiting, and what comes later.
func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	for _, c := range w.busy {
		w.finish(c, ports.ErrUnavailable)
	}
}

// begin checks that all writes are based on the image, and sees to it that they are sent. If one of the presences is being written by an
// earlier commit, it returns that one instead. It returns neither if there is nothing to write.
func (w *writer) begin(writes []ports.Write) (_ *group, before *commit, err error) {
	records := make([]record, 0, len(writes))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return nil, nil, ports.ErrUnavailable
	}
	for i := range writes {
		change := &writes[i]
		if before := w.busy[key{change.User, change.New.Protocol}]; before != nil {
			return nil, before, nil
		}
		now := w.store.Find(change.User, change.New.Protocol)
		if now.Presence != change.Old {
			return nil, nil, ports.ErrConflict
		}
		if r, ok := stage(now.User, now.Version, change); ok {
			if len(records) > 0 {
				r.role = roleFurther
			}
			records = append(records, r)
		}
	}
	if len(records) == 0 {
		return nil, nil, nil
	}
	if len(records) > maxRecords {
		return nil, nil, fmt.Errorf("%w: %d writes at once, at most %d are possible", ports.ErrUnavailable, len(records), maxRecords)
	}
	size := headerSize
	for i := range records {
		size += records[i].size()
	}
	if limit := int(w.store.payload.Load()); size > limit {
		return nil, nil, fmt.Errorf("%w: %d writes at once make %d bytes, and NATS takes %d (max_payload)", ports.ErrUnavailable, len(records), size, limit)
	}
	return w.enqueue(records, size), nil, nil
}

// stage makes the first record of a group of a write. There is none to make of the removal of what is not there.
func stage(known domain.UserID, version uint64, change *ports.Write) (record, bool) {
	r := record{role: roleFirst, user: known, version: version, presence: change.New}
	if known == "" {
		r.user = change.User // the caller leaves it to us
	}
	there := change.Old.Revision != 0
	r.presence.Revision = change.Old.Revision
	if !there || change.Old.Differs(change.New) {
		r.presence.Revision = 0
	}
	return r, there || !change.New.Removed
}

// maxTogether is how many records of independent callers go together.
const maxTogether = 1024

// enqueue makes the records a commit, or a part of the last one that has not been sent. The lock is held.
func (w *writer) enqueue(records []record, size int) *group {
	var c *commit
	if n := len(w.queue); n > 0 && len(w.queue[n-1].records)+len(records) <= maxTogether && w.queue[n-1].size+size <= int(w.store.payload.Load()) {
		c = w.queue[n-1]
	} else {
		w.last++
		c = &commit{number: w.last, tooLate: make(chan struct{}), done: make(chan struct{})}
		c.late = time.AfterFunc(applyWithin, func() { w.giveUp(c) })
		w.queue = append(w.queue, c)
		w.signal()
	}
	g := &group{commit: c, records: len(records)}
	c.size += size
	c.records, c.groups = append(c.records, records...), append(c.groups, g)
	for i := range records {
		w.busy[key{records[i].user, records[i].presence.Protocol}] = c
	}
	return g
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run sends what is to be sent until ctx ends.
func (w *writer) run(ctx context.Context) {
	for {
		select {
		case <-w.wake:
		case <-ctx.Done():
			return
		}
		for c := w.next(); c != nil; c = w.next() {
			if err := w.send(c); err != nil {
				w.mu.Lock()
				w.finish(c, err)
				w.mu.Unlock()
			}
		}
	}
}

// How many commits the engine is sent before it has answered the first. If it is our own, one: should it refuse that, what becomes
// of it has to be known before the next one (see recover).
const (
	flyingAlone   = 1
	flyingCluster = 16
)

// next takes the commit that is to be sent now out of the queue: nil if there is none, or none may be sent yet.
func (w *writer) next() *commit {
	flying := flyingCluster
	if w.alone {
		flying = flyingAlone
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 && len(w.sent) < flying {
		c := w.queue[0]
		w.queue[0] = nil
		if w.queue = w.queue[1:]; len(w.queue) == 0 {
			w.queue = nil
		}
		if !c.ended { // else the store has stopped
			w.sent[c.number] = c
			return c
		}
	}
	return nil
}

// send hands a commit to the connection. Only run calls it, so entries are sent in the order of the commits' numbers.
func (w *writer) send(c *commit) error {
	number := strconv.FormatUint(c.number, 36)
	w.entry = appendHeader(w.entry[:0], w.node+"."+number)
	for i := range c.records {
		w.entry = appendRecord(w.entry, &c.records[i])
	}
	err := w.store.conn.PublishRequest(w.store.streams.entries, w.inbox+number, w.entry)
	if cap(w.entry) > 1<<20 {
		w.entry = nil
	}
	switch {
	case errors.Is(err, natsgo.ErrReconnectBufExceeded):
		return fmt.Errorf("%w: there is no connection to NATS", ports.ErrUnavailable)
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// unavailable makes an ErrUnavailable of any error.
func unavailable(err error) error {
	if errors.Is(err, ports.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", ports.ErrUnavailable, err)
}

// finish ends a commit. The lock is held.
func (w *writer) finish(c *commit, err error) {
	if c.ended {
		return
	}
	c.late.Stop()
	delete(w.sent, c.number)
	for i := range c.records {
		if k := (key{c.records[i].user, c.records[i].presence.Protocol}); w.busy[k] == c {
			delete(w.busy, k)
		}
	}
	c.err, c.ended = err, true
	close(c.done)
	w.signal()
}

// giveUp lets the callers of a commit go that was not answered in time, and the commit: whether it comes about is for the reader to find out.
// What an engine in this process was sent it does answer, unless it has stopped or the answer was lost (see recover); nothing can be
// sent behind that before it is known what has become of it.
func (w *writer) giveUp(c *commit) {
	close(c.tooLate)
	if w.letGo(c) {
		w.refused(errNoAnswer)
	}
}

// letGo ends a commit for giveUp, and reports whether it has.
func (w *writer) letGo(c *commit) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, sent := w.sent[c.number]; c.ended || sent && w.alone {
		return false
	}
	w.finish(c, unavailable(errNoAnswer))
	w.queue = slices.DeleteFunc(w.queue, func(queued *commit) bool { return queued == c }) // nothing may join it any more, and nobody needs its memory
	return true
}

// refused tells the log that the servers do not take writes. Of a connection that is lost, and of our own engine, it is told otherwise.
func (w *writer) refused(why error) {
	if !w.alone && w.store.conn.IsConnected() && !w.degraded.Swap(true) {
		w.store.log.Warn("store degraded: the journal cannot be written; reads go on from memory, writes are refused", "err", why)
	}
}

// taken tells the log that they do again.
func (w *writer) taken() {
	if w.degraded.Load() && w.degraded.Swap(false) {
		w.store.log.Info("store: the journal can be written again")
	}
}

// answer takes the engine's answer to a commit. All answers come in one goroutine, in the order of the entries.
func (w *writer) answer(msg *natsgo.Msg) {
	number, err := strconv.ParseUint(msg.Subject[len(w.inbox):], 36, 64)
	if err != nil {
		return
	}
	sequence, err := parseAnswer(msg)
	w.mu.Lock()
	c := w.sent[number]
	w.mu.Unlock()
	switch {
	case err == nil && w.alone:
		w.stored(c, sequence)
	case err == nil || c == nil:
		return // done when the reader gets it, or given up
	case w.alone:
		if time.Since(w.complained) > complain {
			w.complained = time.Now()
			w.store.log.Error("store: the journal has refused a write", "err", err)
		}
		w.settle(c, err)
	default:
		w.mu.Lock()
		w.finish(c, err)
		w.mu.Unlock()
		w.refused(err)
	}
}

// stored makes a commit part of the image that our own engine has stored. If that is not the entry that has to come next, an answer was lost
// before, and what has become of both is read from the journal. The commit is nil if it was given up.
func (w *writer) stored(c *commit, sequence uint64) {
	switch {
	case c != nil && w.show(c, sequence):
		w.mu.Lock()
		w.finish(c, nil)
		w.mu.Unlock()
	case sequence > w.store.position():
		w.settle(c, errLostAnswer)
	case c != nil: // it was read from the journal meanwhile, or the engine has lost what had that number
		w.settle(c, fmt.Errorf("store: entry %d of the journal is not the one that this daemon has had: %w", sequence, errLost))
	}
}

// show makes a commit part of the image, if its entry is the next one, by the same rule as whoever loads the journal: what was recovered
// meanwhile may have changed what a group is based on.
func (w *writer) show(c *commit, sequence uint64) bool {
	s := w.store
	size, first := 0, 0
	s.Lock()
	if sequence != s.reached+1 {
		s.Unlock()
		return false
	}
	for _, g := range c.groups {
		records := c.records[first : first+g.records]
		g.rejected = !s.apply(sequence, first, records)
		for i := range records {
			size += recordSize + len(records[i].presence.Message)
		}
		first += g.records
	}
	s.reached = sequence
	s.Unlock()
	s.snapshots.grown(size)
	return true
}

// arrived ends a commit of ours whose entry has come back from the journal.
func (w *writer) arrived(origin string, rejected []bool) {
	node, text, _ := strings.Cut(origin, ".")
	number, err := strconv.ParseUint(text, 36, 64)
	if node != w.node || err != nil {
		return
	}
	w.taken()
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.sent[number]
	if c == nil || len(c.groups) != len(rejected) {
		return // given up
	}
	for i, g := range c.groups {
		g.rejected = rejected[i]
	}
	w.finish(c, nil)
}

// parseAnswer returns the number of the entry that a commit has become.
func parseAnswer(msg *natsgo.Msg) (sequence uint64, err error) {
	if status := msg.Header.Get("Status"); status != "" { // nobody answers for the journal
		return 0, fmt.Errorf("%w: NATS says %s", ports.ErrUnavailable, status)
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
	case answer.Error != nil:
		return 0, fmt.Errorf("%w: NATS says %s (%d)", ports.ErrUnavailable, answer.Error.Description, answer.Error.Code)
	}
	return answer.Sequence, nil
}
