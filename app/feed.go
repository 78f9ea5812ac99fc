package app

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Feed = (*Feed)(nil)

// Feed implements ports.Feed.
type Feed struct {
	image      *image.Image
	clock      ports.Clock
	precedence atomic.Pointer[domain.Precedence]
}

// NewFeed makes the use case.
func NewFeed(img *image.Image, clock ports.Clock, precedence domain.Precedence) *Feed {
	f := &Feed{image: img, clock: clock}
	f.Configure(precedence)
	return f
}

// Configure has the states be unified by another precedence. That is no change of a user: who follows has to ask for the states anew.
func (f *Feed) Configure(precedence domain.Precedence) { f.precedence.Store(&precedence) }

// Revision implements ports.Feed.
func (f *Feed) Revision() domain.Revision { return f.image.Revision() }

// States implements ports.Feed.
func (f *Feed) States(ids []string, into []domain.State) ([]domain.State, domain.Revision, error) {
	now := f.clock.Now()
	states := slices.Grow(into, len(ids))
	var forgotten domain.Revision
	for _, id := range ids {
		user, err := domain.ParseUserID(id)
		if err != nil {
			return into, 0, invalidIDs(ids)
		}
		state, compacted := f.state(user, now)
		states, forgotten = append(states, state), max(forgotten, compacted)
	}
	return states, forgotten, nil
}

// state returns what is known of a user.
func (f *Feed) state(user domain.UserID, now domain.Timestamp) (state domain.State, forgotten domain.Revision) {
	// The removals first: what is removed in between has a greater revision than any that is returned, and comes as a change.
	last, forgotten := f.image.LastRemoval(user)
	presences := f.image.Presences(user)
	known := f.image.Known(now)
	if known < now && !presences.HoldAt(now) && !f.image.ShowStale() {
		known, presences = now, f.image.Presences(user)
	}
	kept, precedence := presences, f.precedence.Load()
	revision, presences := max(last, newest(kept)), kept.HeldAt(known, now)
	return domain.State{
		User: user, Revision: revision, Presences: presences, Unified: precedence.Unify(presences), Next: precedence.Next(kept, now),
	}, forgotten
}

// newest returns the greatest revision of some presences.
func newest(presences domain.Presences) (revision domain.Revision) {
	for i := range presences {
		revision = max(revision, presences[i].Revision)
	}
	return revision
}

// Changed implements ports.Feed.
func (f *Feed) Changed(ctx context.Context, since domain.Revision) ([]domain.State, error) {
	removals, err := f.image.Removals(since)
	if err != nil {
		return nil, err
	}
	removed := make(map[domain.UserID]domain.Revision, len(removals))
	for _, removal := range removals {
		removed[removal.User] = max(removed[removal.User], removal.Presence.Revision)
	}
	var changed []domain.State
	visited := 0
	f.image.Each(func(user domain.UserID, presences domain.Presences) bool {
		if visited++; often(visited) && ctx.Err() != nil {
			return false
		}
		last, _ := f.image.LastRemoval(user) // also of before since, so that it is the revision that States tells
		revision := max(last, newest(presences))
		delete(removed, user)
		if revision > since {
			changed = append(changed, domain.State{User: user, Revision: revision})
		}
		return true
	})
	for user, revision := range removed {
		changed = append(changed, domain.State{User: user, Revision: revision})
	}
	err = sortUntil(ctx, changed, func(a, b domain.State) int { return cmp.Compare(a.Revision, b.Revision) })
	return changed, err
}

// Follow implements ports.Feed.
func (f *Feed) Follow() ports.Following {
	return &following{feed: f, watch: f.image.Watch(f.image.Revision()), last: make(map[domain.UserID]domain.Revision)}
}

// following implements ports.Following.
type following struct {
	feed  *Feed
	watch *image.Watch
	last  map[domain.UserID]domain.Revision // each user's last change of the batch; empty between two calls of Next
}

// Next implements ports.Following.
func (f *following) Next(ctx context.Context) ([]domain.State, domain.Revision, error) {
	changes, err := f.watch.Next(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, change := range changes { // which come in the order of their revisions
		f.last[change.User] = change.Presence.Revision
	}
	defer clear(f.last)
	now := f.feed.clock.Now()
	states := make([]domain.State, 0, len(f.last))
	for _, change := range changes {
		revision := change.Presence.Revision
		if f.last[change.User] != revision {
			continue
		}
		state, _ := f.feed.state(change.User, now)
		if state.Revision > revision {
			continue // its change is on its way
		}
		state.Revision = revision
		states = append(states, state)
	}
	return states, changes[len(changes)-1].Presence.Revision, nil
}

// Close implements ports.Following.
func (f *following) Close() { f.watch.Close() }
