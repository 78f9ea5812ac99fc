package leak_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// TestPlantedFaultsAreFound lets the real world leak in one way at a time. If that is not found out, the test above proves nothing about this way.
func TestPlantedFaultsAreFound(t *testing.T) {
	const most, few = 4000, 25 // sites until it must have been found, and how many of them share two servers
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for name, planted := range faults {
		t.Run(name, func(t *testing.T) {
			for first := 0; first < most; first += few {
				if told := compareSites(t, seed, first, few, planted); told != "" {
					t.Logf("after at most %d sites", first+few)
					return
				}
			}
			t.Errorf("it is not found in %d sites", most)
		})
	}
}

// faults are the ways in which the real world leaks.
var faults = map[string]fault{
	"states are not filtered":                             inFeed(func(f *leakyFeed) { f.see = func(domain.Sight) domain.Sight { return domain.SeesInvisible } }),
	"who sees the status sees all in states":              inFeed(func(f *leakyFeed) { f.see = upTo(domain.SeesStatus, domain.SeesAll) }),
	"who sees all sees through invisibility in states":    inFeed(func(f *leakyFeed) { f.see = upTo(domain.SeesAll, domain.SeesInvisible) }),
	"states have the revision of hidden changes":          inFeed(func(f *leakyFeed) { f.revisions = true }),
	"everybody sees all live":                             inFeed(func(f *leakyFeed) { f.live = func(domain.Sight) domain.Sight { return domain.SeesInvisible } }),
	"who sees the status sees all live":                   inFeed(func(f *leakyFeed) { f.live = upTo(domain.SeesStatus, domain.SeesAll) }),
	"who sees all sees through invisibility live":         inFeed(func(f *leakyFeed) { f.live = upTo(domain.SeesAll, domain.SeesInvisible) }),
	"what is kept of lists and events is for everybody":   inFeed(func(f *leakyFeed) { f.unrestricted = true }),
	"which rule decides tells who is invisible":           inFeed(func(f *leakyFeed) { f.decides = true }),
	"the original API is not filtered":                    inPresence(func(p *leakyPresence) { p.query = true }),
	"an update of a read-only protocol compares with all": inPresence(func(p *leakyPresence) { p.update = true }),
	"an export shows who is invisible": func(p ports.Presence, f ports.Feed, b ports.Backup) (ports.Presence, ports.Feed, ports.Backup) {
		return p, f, leakyBackup{b}
	},
}

// upTo makes more of one sight.
func upTo(from, to domain.Sight) func(domain.Sight) domain.Sight {
	return func(sight domain.Sight) domain.Sight {
		if sight == from {
			return to
		}
		return sight
	}
}

func inFeed(plant func(*leakyFeed)) fault {
	return func(p ports.Presence, f ports.Feed, b ports.Backup) (ports.Presence, ports.Feed, ports.Backup) {
		leaky := &leakyFeed{Feed: f}
		plant(leaky)
		return p, leaky, b
	}
}

func inPresence(plant func(*leakyPresence)) fault {
	return func(p ports.Presence, f ports.Feed, b ports.Backup) (ports.Presence, ports.Feed, ports.Backup) {
		leaky := &leakyPresence{Presence: p}
		plant(leaky)
		return leaky, f, b
	}
}

// leakyFeed tells more than it should.
type leakyFeed struct {
	ports.Feed
	see, live    func(domain.Sight) domain.Sight
	revisions    bool
	decides      bool
	unrestricted bool
}

// oneself is a principal who sees all of a user.
func oneself(id string) domain.Principal {
	user, err := domain.ParseUserID(id)
	if err != nil {
		return domain.Principal{}
	}
	return domain.Principal{User: user, Any: true}
}

// States implements ports.Feed.
func (f *leakyFeed) States(by domain.Principal, ids []string, into []domain.State) ([]domain.State, domain.Revision, error) {
	first := len(into)
	states, forgotten, err := f.Feed.States(by, ids, into)
	for i := range states[first:] {
		state, id := &states[first+i], ids[i]
		whole, _, _ := f.Feed.States(oneself(id), []string{id}, nil)
		if f.revisions && state.Revision > 0 {
			state.Revision = whole[0].Revision
		}
		if f.see == nil {
			continue
		}
		sight := f.Feed.Sight(by, state.User)
		switch f.see(sight) {
		case sight:
		case domain.SeesInvisible:
			*state = whole[0]
		default: // who is not invisible is shown as everybody sees it
			state.StatusOnly, state.Presences, state.Unified = false, whole[0].Presences, whole[0].Unified
		}
	}
	return states, forgotten, err
}

// Sight implements ports.Feed.
func (f *leakyFeed) Sight(by domain.Principal, user domain.UserID) domain.Sight {
	sight := f.Feed.Sight(by, user)
	if f.live != nil {
		return f.live(sight)
	}
	return sight
}

// Decide implements ports.Feed.
func (f *leakyFeed) Decide(viewer domain.Principal, user domain.UserID) domain.Decision {
	decision := f.Feed.Decide(viewer, user)
	if whole, _, _ := f.Feed.States(oneself(string(user)), []string{string(user)}, nil); f.decides && whole[0].Invisible {
		decision.By = domain.DecidedByNothing
	}
	return decision
}

// Unrestricted implements ports.Feed.
func (f *leakyFeed) Unrestricted() bool { return f.unrestricted || f.Feed.Unrestricted() }

// leakyPresence tells more than it should.
type leakyPresence struct {
	ports.Presence
	query, update bool
}

// Query implements ports.Presence.
func (p *leakyPresence) Query(by domain.Principal, ids []string, into []domain.Presences) ([]domain.Presences, error) {
	if !p.query {
		return p.Presence.Query(by, ids, into)
	}
	for _, id := range ids {
		one, err := p.Presence.Query(oneself(id), []string{id}, nil)
		if err != nil {
			return into, err
		}
		into = append(into, one...)
	}
	return into, nil
}

// Update implements ports.Presence.
func (p *leakyPresence) Update(ctx context.Context, by domain.Principal, updates []domain.Update) error {
	if p.update {
		by = oneself(updates[0].User)
	}
	return p.Presence.Update(ctx, by, updates)
}

// leakyBackup tells more than it should.
type leakyBackup struct{ ports.Backup }

// Export implements ports.Backup.
func (b leakyBackup) Export(ctx context.Context, _ domain.Principal, visit func(domain.UserID, domain.Presence) error) error {
	return nil
}
