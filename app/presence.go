package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Presence = (*Presence)(nil)

// Presence implements ports.Presence over a store.
type Presence struct {
	store     ports.Store
	clock     ports.Clock
	protocols map[string]rule
}

// rule says what clients may do with a protocol.
type rule struct {
	updatable domain.ClientProtocol // its Protocol is set for read-only ones too
	readOnly  bool
}

// NewPresence makes the use case for the protocols that clients may update and those they may only read. A protocol that is
// named twice is an error.
func NewPresence(store ports.Store, clock ports.Clock, updatables []domain.ClientProtocol, readOnly []domain.Protocol) (*Presence, error) {
	p := &Presence{store: store, clock: clock, protocols: make(map[string]rule)}
	add := func(r rule) error {
		name := r.updatable.Protocol.String()
		if name == "" {
			return domain.ErrInvalidProtocol
		}
		if _, taken := p.protocols[name]; taken {
			return fmt.Errorf("protocol %s is there twice", name)
		}
		p.protocols[name] = r
		return nil
	}
	for _, updatable := range updatables {
		if err := add(rule{updatable: updatable}); err != nil {
			return nil, err
		}
	}
	for _, protocol := range readOnly {
		if err := add(rule{updatable: domain.ClientProtocol{Protocol: protocol}, readOnly: true}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// block is how many users Query works on at a time.
const block = 64

// Query implements ports.Presence. It goes through the ids in blocks, and through each block in short loops instead of one long one:
// so the processor waits for the memory of several users at once, which is most of what a query costs when the users were
// not asked for lately.
func (p *Presence) Query(ids []string, into []domain.Presences) ([]domain.Presences, error) {
	now := p.clock.Now()
	if len(ids) == 1 {
		return p.queryOne(ids[0], into, now)
	}
	answers := slices.Grow(into, len(ids))
	var slots [block]ports.Slot
	for rest := ids; len(rest) > 0; {
		n := min(len(rest), block)
		for i, id := range rest[:n] {
			slot, err := p.slot(id)
			if err != nil {
				return into, invalidIDs(ids)
			}
			slots[i] = slot
		}
		begin := len(answers)
		for _, slot := range slots[:n] {
			var presences domain.Presences
			if slot != nil {
				presences = slot.Presences()
			}
			answers = append(answers, presences)
		}
		for i, presences := range answers[begin:] {
			if !presences.HoldAt(now) {
				answers[begin+i] = presences.At(now)
			}
		}
		rest = rest[n:]
	}
	return answers, nil
}

// queryOne is Query for one id.
func (p *Presence) queryOne(id string, into []domain.Presences, now domain.Timestamp) ([]domain.Presences, error) {
	slot, err := p.slot(id)
	switch {
	case err != nil:
		return into, invalidIDs([]string{id})
	case slot == nil:
		return append(into, nil), nil
	}
	return append(into, slot.Presences().At(now)), nil
}

// slot returns the slot of the user whom an id names, nil if there is none. It looks for the id as it is first: the store knows no
// other ids than those that ParseUserID has made, so one that it knows need not be parsed.
func (p *Presence) slot(id string) (ports.Slot, error) {
	if slot := p.store.Slot(domain.UserID(id)); slot != nil {
		return slot, nil
	}
	user, err := domain.ParseUserID(id)
	if err != nil || string(user) == id {
		return nil, err
	}
	return p.store.Slot(user), nil
}

// invalidIDs names every malformed id. It is apart from Query because it is seldom needed.
func invalidIDs(ids []string) error {
	var problems domain.Problems
	for i, id := range ids {
		if _, err := domain.ParseUserID(id); err != nil {
			problems = append(problems, domain.Problem{Index: i, Field: domain.FieldUser, Err: err})
		}
	}
	return problems
}

// writesPool keeps the memory of small plans for the next. Stores keep nothing of a Write but its strings.
var writesPool = sync.Pool{New: func() any { return new([]ports.Write) }}

// Update implements ports.Presence.
func (p *Presence) Update(ctx context.Context, by domain.Principal, updates []domain.Update) error {
	memory := writesPool.Get().(*[]ports.Write)
	defer func() {
		clear((*memory)[:cap(*memory)])
		writesPool.Put(memory)
	}()
	for {
		writes, err := p.plan(by, updates, (*memory)[:0])
		if err != nil || len(writes) == 0 {
			return err
		}
		if len(writes) <= fewWrites {
			*memory = writes
		}
		err = p.store.Apply(ctx, writes)
		if !errors.Is(err, ports.ErrConflict) {
			return err
		}
	}
}

// plan checks all updates and turns them into writes against what is stored now, one for each presence, which it appends to
// writes.
func (p *Presence) plan(by domain.Principal, updates []domain.Update, writes []ports.Write) ([]ports.Write, error) {
	now := p.clock.Now()
	writes = slices.Grow(writes, len(updates))
	planned := plannedWrites{}
	var problems domain.Problems
	for i := range updates {
		checked, faults := p.check(by, i, &updates[i])
		if len(faults) > 0 {
			problems = append(problems, faults...)
			continue
		}
		protocol := checked.rule.updatable.Protocol
		if checked.rule.readOnly {
			current, _ := p.store.Presences(checked.user).On(protocol)
			if fault := repeats(current.At(now), checked); fault != nil {
				problems = append(problems, domain.Problem{Index: i, Field: domain.FieldProtocol, Err: fault})
			}
			continue
		}
		at, again := planned.find(writes, checked.user, protocol)
		if !again {
			old, _ := p.store.Presences(checked.user).On(protocol)
			if old.Revision == 0 {
				checked.user = domain.UserID(strings.Clone(string(checked.user))) // the store will keep it
			}
			writes = append(writes, ports.Write{User: checked.user, Old: old, New: old})
			planned.note(writes)
		}
		if fault := checked.carryOut(&writes[at].New, now); fault != nil {
			problems = append(problems, domain.Problem{Index: i, Field: domain.FieldUntil, Err: fault})
		}
	}
	return writes, problems.OrNil()
}

// checkedUpdate is an Update in which every value makes sense by itself.
type checkedUpdate struct {
	user    domain.UserID
	rule    rule
	status  domain.Status
	message string
	until   domain.Timestamp
	remove  bool
}

// carryOut makes of a presence what the update wants. It returns what is wrong with the update's end.
func (u *checkedUpdate) carryOut(p *domain.Presence, now domain.Timestamp) (fault error) {
	if u.remove {
		*p = p.Remove(now)
		return nil
	}
	message := p.Message
	*p = p.Observe(u.status, u.message, u.rule.updatable.Expiry, now)
	if p.Message != message {
		message = strings.Clone(p.Message)
	}
	p.Message = message // not the caller's string, which does not outlive the call, even if it reads the same
	if u.until.IsZero() {
		return nil
	}
	if err := u.rule.updatable.CheckUntil(u.until, now); err != nil {
		return err
	}
	*p = p.HoldUntil(u.until)
	return nil
}

func (p *Presence) check(by domain.Principal, index int, update *domain.Update) (checkedUpdate, domain.Problems) {
	var problems domain.Problems
	fault := func(field domain.Field, err error) {
		if err != nil {
			problems = append(problems, domain.Problem{Index: index, Field: field, Err: err})
		}
	}
	checked := checkedUpdate{message: update.Message, until: update.Until, remove: update.Remove}
	var err error
	checked.user, err = domain.ParseUserID(update.User)
	fault(domain.FieldUser, err)
	if !update.Remove {
		checked.status, err = domain.ParseStatus(update.Status)
		fault(domain.FieldStatus, err)
		fault(domain.FieldMessage, domain.CheckMessage(update.Message))
	}
	rule, known := p.protocols[update.Protocol]
	checked.rule = rule
	if !known {
		fault(domain.FieldProtocol, domain.UnknownProtocol(update.Protocol))
	}
	if known && !rule.readOnly && checked.user != "" {
		fault(domain.FieldUser, by.MayUpdate(checked.user))
	}
	return checked, problems
}

// repeats returns nil if an update of a read-only protocol says what is true anyway: a client sent back what it got.
func repeats(now domain.Presence, update checkedUpdate) error {
	if !update.remove && update.until.IsZero() && now.Status == update.status && now.Message == update.message {
		return nil
	}
	return domain.ReadOnly(now.Protocol, update.user)
}

// plannedWrites finds the write that an earlier update of the same request has made necessary. For the usual few it looks
// through them; it keeps an index only of many.
type plannedWrites struct {
	index map[presenceKey]int
}

const fewWrites = 16

// find returns the place of the write for a presence: where it is, or where it is to be appended.
func (p *plannedWrites) find(writes []ports.Write, user domain.UserID, protocol domain.Protocol) (at int, found bool) {
	if p.index != nil {
		at, found = p.index[presenceKey{user, protocol}]
	} else {
		at = slices.IndexFunc(writes, func(w ports.Write) bool { return w.User == user && w.New.Protocol == protocol })
		found = at >= 0
	}
	if !found {
		at = len(writes)
	}
	return at, found
}

// note takes the last of the writes into the index, if there is to be one.
func (p *plannedWrites) note(writes []ports.Write) {
	first := len(writes) - 1
	if p.index == nil {
		if len(writes) <= fewWrites {
			return
		}
		p.index, first = make(map[presenceKey]int, 2*len(writes)), 0
	}
	for i := first; i < len(writes); i++ {
		p.index[presenceKey{writes[i].User, writes[i].New.Protocol}] = i
	}
}
