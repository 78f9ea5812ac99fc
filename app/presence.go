package app

import (
	"cmp"
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

// plan checks all updates and turns them into writes against what is there now, one for each presence, which it appends to writes.
func (p *Presence) plan(by domain.Principal, updates []domain.Update, writes []image.Write) ([]image.Write, error) {
	now, on := p.clock.Now(), p.protocols.Load()
	writes = slices.Grow(writes, len(updates))
	var planned plannedWrites
	if len(updates) > 1 {
		planned = make(plannedWrites, len(updates))
	}
	var added []int // the writes of devices that are not there yet
	var problems domain.Problems
	for i := range updates {
		checked, faults := on.check(by, i, &updates[i], now)
		if len(faults) > 0 {
			problems = append(problems, faults...)
			continue
		}
		protocol := checked.rule.client.Protocol
		if checked.rule.readOnly {
			current, _ := p.seen(&by, checked.user, now).On(protocol)
			if fault := repeats(current, checked); fault != nil {
				problems = append(problems, domain.Problem{Index: i, Field: domain.FieldProtocol, Err: fault})
			}
			continue
		}
		if checked.remove && checked.device == (domain.DeviceID{}) {
			writes = p.removeDevices(writes, planned, checked.user, protocol, now)
		}
		key := image.Key{User: checked.user, Protocol: protocol, Device: checked.device}
		at, again := planned.find(writes, key)
		if !again {
			old, _ := p.core.Image.Presences(key.User).Of(protocol, key.Device)
			writes = planned.add(writes, image.Write{User: key.User, Old: old, New: old})
			if old.Revision == 0 && key.Device != (domain.DeviceID{}) {
				added = append(added, at)
			}
		}
		if fault := checked.carryOut(&writes[at].New, now); fault != nil {
			problems = append(problems, domain.Problem{Index: i, Field: domain.FieldUntil, Err: fault})
		}
	}
	writes = p.makeRoom(writes, added, planned, now)
	writes = slices.DeleteFunc(writes, func(w image.Write) bool { return w.Old.Revision == 0 && w.New.Removed }) // it is not there
	return writes, problems.OrNil()
}

// removeDevices removes what the devices with a name say of a user on a protocol.
func (p *Presence) removeDevices(writes []image.Write, planned plannedWrites, user domain.UserID, protocol domain.Protocol,
	now domain.Timestamp,
) []image.Write {
	for _, old := range p.core.Image.Presences(user) {
		if old.Protocol != protocol || old.Device == (domain.DeviceID{}) {
			continue
		}
		at, again := planned.find(writes, image.KeyOf(user, &old))
		if !again {
			writes = planned.add(writes, image.Write{User: user, Old: old, New: old})
		}
		writes[at].New = writes[at].New.Remove(now)
	}
	return writes
}

// makeRoom removes the devices that have fallen silent of each user who gets another one on the same protocol. If there are still too many, those
// that have been quiet for longest go, too.
func (p *Presence) makeRoom(writes []image.Write, added []int, planned plannedWrites, now domain.Timestamp) []image.Write {
	if len(added) == 0 {
		return writes
	}
	remove := func(user domain.UserID, device domain.Presence) {
		at, again := planned.find(writes, image.KeyOf(user, &device))
		if !again {
			writes = planned.add(writes, image.Write{User: user, Old: device, New: device})
		}
		writes[at].New = device.Remove(now)
	}
	devices := make(map[image.Key][]domain.Presence, len(added)) // of a user on a protocol, the latest first
	for _, at := range slices.Backward(added) {
		w := &writes[at]
		key := image.Key{User: w.User, Protocol: w.New.Protocol}
		devices[key] = append(devices[key], w.New)
	}
	for key, all := range devices {
		for _, old := range p.core.Image.Presences(key.User) {
			at, again := planned.find(writes, image.KeyOf(key.User, &old))
			switch {
			case old.Protocol != key.Protocol:
			case again:
				all = append(all, writes[at].New)
			case old.Device != (domain.DeviceID{}) && old.At(now).Status == domain.Unavailable:
				remove(key.User, old)
			default:
				all = append(all, old)
			}
		}
		all = slices.DeleteFunc(all, func(d domain.Presence) bool { return d.Removed })
		slices.SortStableFunc(all, func(a, b domain.Presence) int { return cmp.Compare(b.Updated, a.Updated) })
		for _, quiet := range all[min(len(all), p.core.Limits.Get().Devices):] {
			remove(key.User, quiet)
		}
	}
	return writes
}

// checkedUpdate is an Update in which every value makes sense by itself.
type checkedUpdate struct {
	user      domain.UserID
	rule      rule
	device    domain.DeviceID
	shown     domain.Shown
	until     domain.Timestamp
	invisible bool
	remove    bool
}

// carryOut makes of a presence what the update wants. It returns what is wrong with the update's end.
func (u *checkedUpdate) carryOut(p *domain.Presence, now domain.Timestamp) (fault error) {
	if u.remove {
		*p = p.Remove(now)
		return nil
	}
	*p = p.Observe(u.shown, u.rule.client.Expiry, now)
	if u.until.IsZero() {
		return nil
	}
	if err := u.rule.client.CheckUntil(u.until, now); err != nil {
		return err
	}
	*p = p.HoldUntil(u.until)
	p.Invisible = u.invisible
	return nil
}

// check says what an update of a principal is about, and all that is wrong with it but its end, which carryOut checks.
func (p *protocols) check(by domain.Principal, index int, update *domain.Update, now domain.Timestamp) (checkedUpdate, domain.Problems) {
	var problems domain.Problems
	fault := func(field domain.Field, err error) {
		if err != nil {
			problems = append(problems, domain.Problem{Index: index, Field: field, Err: err})
		}
	}
	checked := checkedUpdate{
		shown:     domain.Shown{Message: update.Message, IdleSince: min(update.IdleSince, now)},
		until:     update.Until,
		invisible: update.Invisible,
		remove:    update.Remove,
	}
	var err error
	checked.user, err = domain.ParseUserID(update.User)
	fault(domain.FieldUser, err)
	checked.device, err = domain.ParseDeviceID(update.Device)
	fault(domain.FieldDevice, err)
	if !update.Remove {
		checked.shown.Status, err = domain.ParseStatus(update.Status)
		fault(domain.FieldStatus, err)
		checked.shown.Activity, err = domain.ParseActivity(update.Activity)
		fault(domain.FieldActivity, err)
		fault(domain.FieldIdleSince, domain.CheckIdleSince(update.IdleSince, now))
		fault(domain.FieldMessage, domain.CheckMessage(update.Message))
	}
	rule, known := p.rules[update.Protocol]
	checked.rule = rule
	if !known {
		fault(domain.FieldProtocol, domain.UnknownProtocol(update.Protocol, p.names))
	}
	if known && update.Invisible && !update.Remove {
		fault(domain.FieldInvisible, rule.client.CheckInvisible(update.Until))
	}
	if known && checked.user != "" && (!rule.readOnly || by.Key != nil) { // a key learns nothing by repeating what a source says
		fault(domain.FieldUser, by.MayUpdate(checked.user, rule.client.Protocol))
	}
	return checked, problems
}

// repeats returns nil if an update of a read-only protocol says what is true anyway: a client sent back what it got.
func repeats(now domain.Presence, update checkedUpdate) error {
	said := update.shown
	if said.Activity == domain.NoActivity && said.IdleSince.IsZero() {
		said.Activity, said.IdleSince = now.Activity, now.IdleSince // the original API does not tell them
	}
	if !update.remove && update.until.IsZero() && now.Shown() == said {
		return nil
	}
	return domain.ReadOnly(now.Protocol, update.user)
}

// plannedWrites has the place of the write for each presence among the writes of a request. It is nil for a single update, whose few writes are
// looked through.
type plannedWrites map[image.Key]int

// find returns the place of the write for a presence: where it is, or where it is to be appended.
func (p plannedWrites) find(writes []image.Write, key image.Key) (at int, found bool) {
	if p != nil {
		at, found = p[key]
	} else {
		at = slices.IndexFunc(writes, func(w image.Write) bool { return w.Key() == key })
		found = at >= 0
	}
	if !found {
		at = len(writes)
	}
	return at, found
}

// add appends a write.
func (p plannedWrites) add(writes []image.Write, w image.Write) []image.Write {
	if p != nil {
		p[w.Key()] = len(writes)
	}
	return append(writes, w)
}
