package domain

import "slices"

// Presences holds a user's presences, ordered by protocol and device. It is shared and must not be changed in place: use With.
type Presences []Presence

// On returns the presence on one protocol, and whether there is one: of several devices, the first, so ask for it after At.
func (ps Presences) On(protocol Protocol) (Presence, bool) {
	for i := range ps {
		if ps[i].Protocol == protocol {
			return ps[i], true
		}
	}
	return Presence{Protocol: protocol}, false
}

// Of returns what one device says on a protocol, and whether it says anything.
func (ps Presences) Of(protocol Protocol, device DeviceID) (Presence, bool) {
	for i := range ps {
		if ps[i].Protocol == protocol && ps[i].Device == device {
			return ps[i], true
		}
	}
	return Presence{Protocol: protocol, Device: device}, false
}

// At returns what ps say at the given moment: one presence a protocol, made of all devices there. As long as nothing has expired and
// no protocol has several devices that is ps itself, so nothing is allocated.
func (ps Presences) At(now Timestamp) Presences {
	if ps.HoldAt(now) {
		return ps
	}
	next := make(Presences, 0, len(ps))
	for rest := ps; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Protocol == rest[0].Protocol {
			n++
		}
		if p := rest[:n].merge(now); !p.Removed {
			next = append(next, p)
		}
		rest = rest[n:]
	}
	return next
}

// HeldAt returns what At returns to somebody who knows only what was written up to an earlier moment. Others may have renewed since then what
// expires between the two moments, so that is as it was, and stale.
func (ps Presences) HeldAt(known, now Timestamp) Presences {
	if known >= now || ps.HoldAt(now) {
		return ps.At(now)
	}
	held := slices.Clone(ps)
	for i := range held {
		held[i].Stale = held[i].Stale || held[i].Expired(now) && !held[i].Expired(known)
	}
	return held.At(known)
}

// HoldAt reports whether At returns ps itself.
func (ps Presences) HoldAt(now Timestamp) bool {
	for i := range ps {
		if ps[i].Expired(now) || i > 0 && ps[i].Protocol == ps[i-1].Protocol {
			return false
		}
	}
	return true
}

// merge makes one presence of those of all devices on one protocol: the strongest status; the newest device that has it decides. It is
// Removed if none of them says anything any more.
func (ps Presences) merge(now Timestamp) Presence {
	best := ps[0].At(now)
	updated, revision := best.Updated, best.Revision
	for i := 1; i < len(ps); i++ {
		p := ps[i].At(now)
		updated, revision = max(updated, p.Updated), max(revision, p.Revision)
		switch {
		case p.Removed:
		case best.Removed, p.Status > best.Status, p.Status == best.Status && p.Since > best.Since:
			best = p
		}
	}
	best.Updated, best.Revision = updated, revision
	return best
}

// With returns a copy of ps in which p takes the place of what the same device says on the same protocol; one that is Removed takes it away.
func (ps Presences) With(p Presence) Presences {
	at, found := slices.BinarySearchFunc(ps, p, Presence.compare)
	after := at
	if found {
		after++
	}
	if p.Removed {
		return slices.Concat(ps[:at], ps[after:])
	}
	next := make(Presences, at+1+len(ps)-after) // exactly what is needed: millions are kept
	copy(next, ps[:at])
	next[at] = p
	copy(next[at+1:], ps[after:])
	return next
}

// compare orders presences by protocol and device.
func (p Presence) compare(q Presence) int {
	if p.Protocol != q.Protocol {
		return p.Protocol.Compare(q.Protocol)
	}
	return p.Device.Compare(q.Device)
}
