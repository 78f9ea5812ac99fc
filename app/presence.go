package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Presence = (*Presence)(nil)

// Presence implements ports.Presence.
type Presence struct {
	core      Core
	clock     ports.Clock
	protocols atomic.Pointer[protocols]
}

// protocols are those that are on. They do not change.
type protocols struct {
	rules map[string]rule
	names []string // of all protocols, sorted
}

// rule says what clients may do with a protocol.
type rule struct {
	client   domain.ClientProtocol // its Protocol is set for read-only ones too
	readOnly bool
}

// NewPresence makes the use case for the protocols that clients may update and those they may only read. A protocol that is
// named twice is an error.
func NewPresence(core Core, clock ports.Clock, clients []domain.ClientProtocol, readOnly []domain.Protocol) (*Presence, error) {
	p := &Presence{core: core, clock: clock}
	return p, p.Configure(clients, readOnly)
}

// Configure replaces the protocols, for every update that is planned later. A presence that is there keeps the end that it has. If a protocol is
// named twice nothing changes.
func (p *Presence) Configure(clients []domain.ClientProtocol, readOnly []domain.Protocol) error {
	on := &protocols{rules: make(map[string]rule)}
	rules := make([]rule, 0, len(clients)+len(readOnly))
	for _, client := range clients {
		rules = append(rules, rule{client: client})
	}
	for _, protocol := range readOnly {
		rules = append(rules, rule{client: domain.ClientProtocol{Protocol: protocol}, readOnly: true})
	}
	for _, r := range rules {
		name := r.client.Protocol.String()
		if name == "" {
			return domain.ErrInvalidProtocol
		}
		if _, taken := on.rules[name]; taken {
			return fmt.Errorf("protocol %s is there twice", name)
		}
		on.rules[name] = r
	}
	on.names = slices.Sorted(maps.Keys(on.rules))
	p.protocols.Store(on)
	return nil
}

// block is how many users Query works on at a time.
const block = 64

// Query implements ports.Presence. It goes through the ids in blocks, and through each block in short loops instead of one long one:
// so the processor waits for the memory of several users at once, which is most of what a query costs when the users were
// not asked for lately.
func (p *Presence) Query(by domain.Principal, ids []string, into []domain.Presences) ([]domain.Presences, error) {
	now := p.clock.Now()
	if len(ids) == 1 {
		return p.queryOne(&by, ids[0], into, now)
	}
	answers := slices.Grow(into, len(ids))
	var found [block]*image.User
	var kept [block]*domain.Known
	for rest := ids; len(rest) > 0; {
		n := min(len(rest), block)
		for i, id := range rest[:n] {
			user, err := p.find(id)
			if err != nil {
				return into, domain.CheckUserIDs(ids)
			}
			found[i] = user
		}
		begin, known := len(answers), p.core.Image.Known(now)
		for i, user := range found[:n] {
			if kept[i] = nil; user != nil {
				kept[i] = user.Kept()
			}
		}
		for _, of := range kept[:n] {
			var presences domain.Presences
			if of != nil {
				presences = of.Presences
			}
			answers = append(answers, presences)
		}
		for i, of := range kept[:n] {
			if of != nil {
				answers[begin+i] = p.core.Sights.presences(&by, found[i].ID(), of, known, now)
			}
		}
		rest = rest[n:]
	}
	return answers, nil
}

// queryOne is Query for one id.
func (p *Presence) queryOne(by *domain.Principal, id string, into []domain.Presences, now domain.Timestamp) ([]domain.Presences, error) {
	user, err := p.find(id)
	switch {
	case err != nil:
		return into, domain.CheckUserIDs([]string{id})
	case user == nil:
		return append(into, nil), nil
	}
	kept := user.Kept()
	if kept == nil {
		return append(into, nil), nil
	}
	return append(into, p.core.Sights.presences(by, user.ID(), kept, p.core.Image.Known(now), now)), nil
}

// find returns where the user is kept that an id names, nil if nothing is. It looks for the id as it is first: the image has no other ids than
// those that ParseUserID has made, so one that it has need not be parsed.
func (p *Presence) find(id string) (*image.User, error) {
	if user := p.core.Image.User(domain.UserID(id)); user != nil {
		return user, nil
	}
	user, err := domain.ParseUserID(id)
	if err != nil || string(user) == id {
		return nil, err
	}
	return p.core.Image.User(user), nil
}

// seen returns what a viewer sees of a user's presences now.
func (p *Presence) seen(by *domain.Principal, user domain.UserID, now domain.Timestamp) domain.Presences {
	kept, _ := p.core.Image.Kept(user)
	return p.core.Sights.presences(by, user, kept, p.core.Image.Known(now), now)
}

// Update implements ports.Presence.
func (p *Presence) Update(ctx context.Context, by domain.Principal, updates []domain.Update) error {
	plan := func(writes []image.Write) ([]image.Write, error) { return p.plan(by, updates, writes) }
	if !p.core.audited() {
		return p.core.apply(ctx, plan)
	}
	origin := ports.OriginOf(ctx)
	origin.By = by
	return p.core.applyAudited(ctx, origin, updates, false, plan)
}
