package events

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

const (
	reportChunk = 64       // how many states are read at once
	reportWrite = 16 << 10 // how much is written at once, in bytes
)

// report tells one subscriber from the feed what has changed after a revision, up to another one. It has the subscriber's connection
// to itself, and its writes may block.
type report struct {
	hub    *Hub
	sub    *subscriber
	first  bool             // the stream begins with it
	reset  bool             // the subscriber has to forget what it knows
	ending reason           // why the stream ends with it
	by     domain.Principal // who the subscriber is

	since, upto domain.Revision
	remembered  bool   // what has changed is in recent; else the feed has to be asked
	recent      []note // shared

	out    []byte
	ids    []string
	states []domain.State
}

// note is a user to be told about, and its revision.
type note struct {
	user     domain.UserID
	revision domain.Revision
}

// snapshot is everybody who is known, in the order of revisions up to one. It is shared and does not change.
type snapshot struct {
	notes []note
	upto  domain.Revision
}

// begin begins a subscriber's stream, and tells it the present states.
func (h *Hub) begin(sub *subscriber, s *Subscription) {
	reset := s.Lost || !h.reaches(s.Since) || h.renewedSince(s.Since)
	h.catchUp(&report{hub: h, sub: sub, first: true, reset: reset}, append(s.Head, retryEvent...))
}

// renewedSince reports whether somebody who knows everything up to a revision has to be told every state anew.
func (h *Hub) renewedSince(revision domain.Revision) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return revision > 0 && revision <= h.renewed
}

// reaches reports whether this daemon knows everything up to a revision, now or soon: the client may have the revision from another daemon
// of the cluster.
func (h *Hub) reaches(since domain.Revision) bool {
	ctx, cancel := context.WithTimeout(h.ctx, h.settings.CatchUpTimeout)
	defer cancel()
	for {
		h.mu.Lock()
		reached := h.head >= since
		h.mu.Unlock()
		if reached {
			return true
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
}

// errEnded is why a stream is over when its end has been written.
var errEnded = errors.New("the stream has ended")

// catchUp writes the rest of an event, and then tells a subscriber everything that it has missed. After that the workers go on with it, unless
// its stream ends.
func (h *Hub) catchUp(r *report, rest []byte) {
	h.catchUps.Add(1)
	_, err := r.sub.conn.Write(rest)
	for err == nil && r.next() {
		err = r.send()
	}
	if err != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.remove(r.sub)
	}
}

// next finds out what to tell. If there is nothing, it gives the subscriber back to the workers.
func (r *report) next() bool {
	h, sub := r.hub, r.sub
	h.mu.Lock()
	defer h.mu.Unlock()
	if !sub.missed && sub.ending == unended {
		sub.behind, sub.busy, sub.wrote = false, false, time.Now()
		return false
	}
	r.ending, r.by, r.since, r.upto = sub.ending, sub.by, sub.told, h.head
	if !sub.missed {
		r.since = h.head
	}
	r.reset = r.reset || sub.anew
	sub.missed, sub.anew, sub.told = false, false, h.head
	r.remembered = r.since > 0 && r.since >= h.forgotten
	if r.remembered {
		r.recent = h.recent[h.after(r.since):]
	}
	return true
}

// send returns when everything is written. It leaves out what is out of date by then: that is told later.
func (r *report) send() error {
	err := r.sendStates()
	for errors.Is(err, ports.ErrCompacted) { // so the subscriber has to begin anew
		r.reset = true
		err = r.sendStates()
	}
	if err != nil {
		return err
	}
	if r.first || r.reset {
		r.out = appendReady(r.out, r.upto)
	}
	r.first, r.reset = false, false
	if r.ending == unended {
		return r.flush()
	}
	r.out = append(r.out, endEvents[r.ending]...)
	return cmp.Or(r.flush(), errEnded)
}

// sendStates writes the states that are new. It returns ErrCompacted if the feed does not know any more which these are.
func (r *report) sendStates() error {
	if r.reset {
		r.out = append(r.out, resetEvent...)
	}
	lists, err := r.notes()
	if err != nil {
		return err
	}
	for _, notes := range lists {
		for chunk := range slices.Chunk(notes, reportChunk) {
			if err := r.tell(chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

// notes finds the users with something new, in the order of their revisions: one list after the other. Among them may be users who have no news for this
// subscriber. It returns ErrCompacted if the feed does not know any more.
func (r *report) notes() ([][]note, error) {
	look := r.notesOfListed
	switch {
	case r.reset:
		r.since = 0
	case !r.first && r.since == r.upto:
		return nil, nil
	case r.remembered && r.sub.all:
		return [][]note{r.recent}, nil
	case len(r.sub.groups) > 0:
		look = r.notesOfGroups
	case r.remembered && len(r.recent) < len(r.sub.topics):
		return [][]note{r.followed(r.recent)}, nil
	}
	if r.sub.all {
		look = r.notesOfAll
	}
	return look()
}

// notesOfAll finds what is new of everybody. While everybody sees the same, who begins from nothing shares a list with the others who do: it can be long,
// and it is kept for as long as the subscriber does not read.
func (r *report) notesOfAll() ([][]note, error) {
	if lists := r.sharedNotes(); lists != nil {
		return lists, nil
	}
	select { // not for all at once: this can take long, and much memory
	case r.hub.scans <- struct{}{}:
		defer func() { <-r.hub.scans }()
	case <-r.hub.ctx.Done():
		return nil, r.hub.ctx.Err()
	}
	if lists := r.sharedNotes(); lists != nil { // somebody has made it meanwhile
		return lists, nil
	}
	same := r.hub.feed.Unrestricted()
	notes, err := r.scan()
	if err != nil {
		return nil, err
	}
	if r.since == 0 && same {
		r.hub.mu.Lock()
		defer r.hub.mu.Unlock()
		r.hub.everyone = snapshot{notes, r.upto}
	}
	return [][]note{notes}, nil
}

// sharedNotes returns the list that somebody else has made, and what has changed since, if this report begins from nothing and all that is remembered.
func (r *report) sharedNotes() [][]note {
	h := r.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.everyone
	if r.since != 0 || all.notes == nil || all.upto < h.forgotten || all.upto > r.upto {
		return nil
	}
	return [][]note{all.notes, h.recent[h.after(all.upto):h.after(r.upto)]}
}

// after returns where in recent the changes after a revision begin. The caller holds the lock.
func (h *Hub) after(revision domain.Revision) int {
	at, _ := slices.BinarySearchFunc(h.recent, revision+1, func(n note, revision domain.Revision) int { return cmp.Compare(n.revision, revision) })
	return at
}

// scan asks the feed for all users with something new.
func (r *report) scan() ([]note, error) {
	states, err := r.hub.feed.Changed(r.hub.ctx, r.by, r.since)
	if err != nil {
		return nil, err
	}
	notes := make([]note, 0, len(states))
	for i := range states {
		if states[i].Revision <= r.upto {
			notes = append(notes, note{states[i].User, states[i].Revision})
		}
	}
	return notes, nil
}

// notesOfListed finds the users in the list with something new: all of them, without since.
func (r *report) notesOfListed() ([][]note, error) {
	var notes []note
	for chunk := range slices.Chunk(r.hub.listed(r.sub, r.by), reportChunk) {
		r.ids = r.ids[:0]
		for _, user := range chunk {
			r.ids = append(r.ids, string(user))
		}
		states, forgotten, err := r.hub.feed.States(r.by, r.ids, r.states[:0])
		r.states = states
		switch {
		case err != nil:
			return nil, err
		case r.since > 0 && r.since < forgotten:
			return nil, ports.ErrCompacted
		}
		for i := range states {
			if revision := states[i].Revision; revision <= r.upto && (r.since == 0 || revision > r.since) {
				notes = append(notes, note{chunk[i], revision})
			}
		}
	}
	slices.SortFunc(notes, func(a, b note) int { return cmp.Compare(a.revision, b.revision) })
	return [][]note{notes}, nil
}

// tell writes the states of some users whose notes have the revision that the subscriber sees of them. It leaves out the others: those that have changed
// since have another note or will have one, and of those with a smaller revision the subscriber does not see what has changed. It returns ErrCompacted if
// the feed may have forgotten a removal meanwhile.
func (r *report) tell(notes []note) error {
	r.ids = r.ids[:0]
	for i := range notes {
		r.ids = append(r.ids, string(notes[i].user))
	}
	states, forgotten, err := r.hub.feed.States(r.by, r.ids, r.states[:0])
	r.states = states
	switch {
	case err != nil:
		return err
	case r.since > 0 && r.since < forgotten:
		return ports.ErrCompacted
	}
	for i := range states {
		state := &states[i]
		if state.Revision != notes[i].revision {
			continue
		}
		if spelt := r.sub.spelt[state.User]; spelt != nil {
			r.out = appendPresence(r.out, state, spelt...)
		} else {
			r.out = appendPresence(r.out, state, string(state.User))
		}
		if len(r.out) >= reportWrite {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *report) flush() error {
	_, err := r.sub.conn.Write(r.out)
	r.out = r.out[:0]
	return err
}
