package events

import (
	"cmp"
	"errors"
	"net"
	"slices"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

const (
	reportChunk = 64       // how many states are read at once
	reportWrite = 16 << 10 // how much is written at once, in bytes
)

// report tells one subscriber from the feed what has changed after a revision, up to the one from which it goes on in the ring. It has the
// subscriber's connection to itself, and may wait for it.
type report struct {
	hub    *Hub
	conn   *net.TCPConn
	head   []byte // to be sent before everything else
	first  bool   // the stream begins with it
	all    bool
	places []place // of the users, if not all
	since  domain.Revision
	upto   domain.Revision
	reset  bool // what the subscriber has is of no use

	out    []byte
	ids    []string
	states []domain.State
}

// note says that a user is to be told of, who has this revision.
type note struct {
	user     domain.UserID
	revision domain.Revision
}

// send returns when everything is written. What is out of date by then is left out: it comes by the ring.
func (r *report) send() error {
	r.out = append(r.out, r.head...)
	if r.first {
		r.out = append(r.out, retryEvent...)
	}
	notes, err := r.notes()
	if err != nil {
		return err
	}
	if r.reset {
		r.out = append(r.out, resetEvent...)
	}
	slices.SortStableFunc(notes, func(a, b note) int { return cmp.Compare(a.revision, b.revision) })
	for len(notes) > 0 {
		n := min(len(notes), reportChunk)
		if err := r.tell(notes[:n]); err != nil {
			return err
		}
		notes = notes[n:]
	}
	if r.first {
		r.out = appendReady(r.out, r.upto)
	}
	return r.flush()
}

// notes finds out of whom there is anything to tell. If that cannot be found out any more then the subscriber has to begin anew.
func (r *report) notes() ([]note, error) {
	if r.reset {
		r.since = 0
	}
	if r.since > 0 && r.since == r.upto {
		return nil, nil
	}
	look := r.notesOfListed
	if r.all {
		look = r.notesOfAll
	}
	notes, err := look()
	if errors.Is(err, ports.ErrCompacted) {
		r.since, r.reset = 0, true
		notes, err = look()
	}
	return notes, err
}

func (r *report) notesOfAll() ([]note, error) {
	select { // not for all at once: this can take long, and much memory
	case r.hub.scans <- struct{}{}:
		defer func() { <-r.hub.scans }()
	case <-r.hub.ctx.Done():
		return nil, errStopped
	}
	states, err := r.hub.feed.Changed(r.since)
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

// notesOfListed finds out of whom in the list there is anything to tell: without since of everybody.
func (r *report) notesOfListed() ([]note, error) {
	var notes []note
	for places := r.places; len(places) > 0; {
		n := min(len(places), reportChunk)
		r.ids = r.ids[:0]
		for i := range places[:n] { // of a place only the topic stays the same
			r.ids = append(r.ids, string(places[i].topic.user))
		}
		states, forgotten, err := r.hub.feed.States(r.ids, r.states[:0])
		r.states = states
		switch {
		case err != nil:
			return nil, err
		case r.since > 0 && r.since < forgotten:
			return nil, ports.ErrCompacted
		}
		for i := range states {
			if revision := states[i].Revision; revision <= r.upto && (r.since == 0 || revision > r.since) {
				notes = append(notes, note{places[i].topic.user, revision})
			}
		}
		places = places[n:]
	}
	return notes, nil
}

// tell writes the states of some users, unless they have changed: then that comes by the ring.
func (r *report) tell(notes []note) error {
	r.ids = r.ids[:0]
	for i := range notes {
		r.ids = append(r.ids, string(notes[i].user))
	}
	states, _, err := r.hub.feed.States(r.ids, r.states[:0])
	r.states = states
	if err != nil {
		return err
	}
	for i := range states {
		if states[i].Revision > r.upto {
			continue
		}
		states[i].Revision = notes[i].revision // also if the store has forgotten meanwhile which it was: ids must ascend
		r.out = appendPresence(r.out, &states[i])
		if len(r.out) >= reportWrite {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *report) flush() error {
	_, err := r.conn.Write(r.out)
	r.out = r.out[:0]
	return err
}
