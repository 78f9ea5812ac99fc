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

// report tells one subscriber from the feed what has changed after a revision, up to the one from which the ring goes on. It has the
// subscriber's connection to itself, and its writes may block.
type report struct {
	hub    *Hub
	conn   *net.TCPConn
	head   []byte // to be sent before everything else
	first  bool   // the stream begins with it
	all    bool
	places []place // of the users, if not all
	since  domain.Revision
	upto   domain.Revision
	reset  bool // the subscriber has to forget what it knows

	out    []byte
	ids    []string
	states []domain.State
}

// note is a user to be told about, and its revision.
type note struct {
	user     domain.UserID
	revision domain.Revision
}

// send returns when everything is written. It leaves out what is out of date by then: that comes by the ring.
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

// notes finds the users with something new. If the feed does not know any more, the subscriber has to begin anew.
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

// notesOfListed finds the users in the list with something new: all of them, without since.
func (r *report) notesOfListed() ([]note, error) {
	var notes []note
	for places := r.places; len(places) > 0; {
		n := min(len(places), reportChunk)
		r.ids = r.ids[:0]
		for i := range places[:n] { // which topic a place has never changes
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

// tell writes the states of some users. It leaves out those that have changed since: they come by the ring.
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
		states[i].Revision = notes[i].revision // even if the feed has forgotten it meanwhile: ids must ascend
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
