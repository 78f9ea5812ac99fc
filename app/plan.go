package app

import (
	"cmp"
	"slices"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
)

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
