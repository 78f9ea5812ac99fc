package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Outbox = (*outbox)(nil)

// outboxPiece is how many states are given at once of what there is at the beginning: a state takes some 300 bytes.
const outboxPiece = 1000

// outbox implements ports.Outbox. At the beginning it gives everybody, in the order of revisions: those who have not changed after the position, as
// told, and then the others. After that it gives what changes.
type outbox struct {
	feed      *Feed
	by        domain.Principal
	following ports.Following
	head      domain.Revision // after following began: everything later comes by following
	since     domain.Revision // the position
	ready     func() error    // there is an error if nothing may be told
	log       *slog.Logger

	// Only Next uses these.
	begun  bool
	rest   []changed  // who is still to be given
	anew   bool       // rest is everybody anew: none of it counts as told
	given  ports.Mark // up to where everything was given
	rounds uint64     // the renewals that were given or are rest

	mu           sync.Mutex
	renewals     uint64             // how often everything was to be given anew
	interrupt    context.CancelFunc // ends what Next waits for
	acknowledged ports.Mark
}

// changed is when a user has last changed, as far as the exporter may see: zero if it may see nothing.
type changed struct {
	user domain.UserID
	at   domain.Revision
}

// outbox returns what an exporter is to tell that reads as somebody and has told everything up to a position; zero: it has told nothing. To be closed.
func (f *Feed) outbox(by domain.Principal, since domain.Revision, ready func() error, log *slog.Logger) *outbox {
	following := f.Follow()
	head := f.Revision()
	if since > head {
		since = 0 // of another store
	}
	return &outbox{feed: f, by: by, following: following, head: head, since: since, ready: ready, log: log, given: ports.Mark{Revision: since}}
}

// Close ends it, and a Next in progress.
func (o *outbox) Close() { o.following.Close() }

// Renew has everybody be given anew: something has changed that is no change of a user, such as the precedence.
func (o *outbox) Renew() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.renewals++
	if o.interrupt != nil {
		o.interrupt()
	}
}

// Acknowledge implements ports.Outbox.
func (o *outbox) Acknowledge(mark ports.Mark) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.acknowledged = mark
}

// position returns the last acknowledgement: false if there is none that counts, because something was to be given anew since.
func (o *outbox) position() (domain.Revision, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.acknowledged.Revision, o.acknowledged.Revision > 0 && o.acknowledged.Renewal == o.renewals
}

// State implements ports.Outbox.
func (o *outbox) State(user domain.UserID) (domain.State, bool) {
	if o.ready() != nil {
		return domain.State{}, false
	}
	return o.state(user), true
}

// state returns what the exporter sees of a user.
func (o *outbox) state(user domain.UserID) domain.State {
	state, _ := o.feed.state(user, o.feed.clock.Now())
	return state.Seen(o.feed.Sight(o.by, user))
}

// Next implements ports.Outbox.
func (o *outbox) Next(ctx context.Context) (ports.News, error) {
	for {
		if err := o.prepare(ctx); err != nil {
			return ports.News{}, err
		}
		if o.rest != nil {
			return o.nextPiece(), nil
		}
		states, err := o.nextChanges(ctx)
		switch {
		case errors.Is(err, ports.ErrResumed):
			o.Renew()
		case err != nil && (ctx.Err() != nil || !errors.Is(err, context.Canceled)):
			return ports.News{}, err
		case err == nil:
			return ports.News{States: states, Mark: o.given}, nil
		}
	}
}

// prepare finds everybody who is to be given, at the beginning and after Renew.
func (o *outbox) prepare(ctx context.Context) error {
	o.mu.Lock()
	renewals := o.renewals
	o.mu.Unlock()
	if o.begun && renewals == o.rounds {
		return nil
	}
	rest, err := o.everybody(ctx)
	if err != nil {
		return err
	}
	o.rest, o.anew, o.rounds, o.begun = rest, o.begun, renewals, true
	return nil
}

// everybody lists whoever is known, and who has been removed since the position, in the order of revisions. If there is no position, or removals are
// forgotten since, it lists all removals that are remembered: the receiver may have been told of those users, which nobody has acknowledged.
func (o *outbox) everybody(ctx context.Context) ([]changed, error) {
	all, visited := make([]changed, 0, o.feed.image.Users()), 0
	o.feed.image.EachKept(func(user domain.UserID, kept *domain.Known) bool {
		if sight := o.feed.sights.Of(&o.by, user); sight > domain.SeesNothing || o.begun { // who is hidden now may have been told of before
			all = append(all, changed{user, kept.Revisions().Of(sight)})
		}
		visited++
		return !often(visited) || ctx.Err() == nil
	})
	_, forgotten := o.feed.image.Kept("")
	if o.since < forgotten {
		if o.since > 0 {
			o.log.Warn("the exporter was away for so long that removed users are forgotten: it tells all others anew", "since", o.since)
		}
		o.since = 0
	}
	removed, err := o.feed.image.Removals(max(o.since, forgotten, 1)) // after 0 nobody is removed
	if errors.Is(err, ports.ErrCompacted) {                           // others were forgotten in this moment
		return o.everybody(ctx)
	}
	for _, removal := range removed {
		user := removal.User
		kept, _ := o.feed.image.Kept(user)
		if sight := o.feed.sights.Of(&o.by, user); len(kept.Presences) == 0 && kept.Revisions().Of(sight) > o.since {
			all = append(all, changed{user, kept.Revisions().Of(sight)})
		}
	}
	err = sortUntil(ctx, all, func(a, b changed) int { return cmp.Compare(a.at, b.at) })
	return all, err
}

// nextPiece gives the next of rest.
func (o *outbox) nextPiece() ports.News {
	news := ports.News{Anew: o.anew || o.since == 0, Told: !o.anew && len(o.rest) > 0 && o.rest[0].at <= o.since}
	last := o.given.Revision
	for len(o.rest) > 0 && len(news.States) < outboxPiece && (o.rest[0].at <= o.since || !news.Told) {
		state := o.state(o.rest[0].user)
		if !news.Told || state.Revision <= o.since { // else its change comes
			news.States = append(news.States, state)
		}
		last, o.rest = o.rest[0].at, o.rest[1:]
	}
	if !o.anew {
		o.given.Revision = max(o.given.Revision, min(last, o.head))
	}
	if len(o.rest) == 0 {
		o.rest = nil
		o.given = ports.Mark{Revision: max(o.given.Revision, o.head), Renewal: o.rounds}
	}
	news.Mark = o.given
	return news
}

// nextChanges waits for changes, and returns those that the exporter may see. If Renew is called meanwhile the error is context.Canceled.
func (o *outbox) nextChanges(ctx context.Context) ([]domain.State, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o.mu.Lock()
	o.interrupt = cancel
	if o.renewals != o.rounds {
		cancel()
	}
	o.mu.Unlock()
	all, upTo, err := o.following.Next(ctx)
	if err != nil {
		return nil, err
	}
	seen := all[:0]
	for i := range all {
		state := all[i].Seen(o.feed.Sight(o.by, all[i].User))
		if o.given.Revision < state.Revision && state.Revision <= upTo { // else it was given, for what has changed is hidden; or it comes later
			seen = append(seen, state)
		}
	}
	clear(all[len(seen):])
	o.given.Revision = max(o.given.Revision, upTo)
	return seen, nil
}
