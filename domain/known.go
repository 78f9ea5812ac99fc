package domain

import "slices"

// Known is what is kept of one user. It is a value that does not change: With makes another one.
type Known struct {
	Presences Presences // of each device, whether they have expired or not
	Mask      *Mask     // what others are shown, if it is not the presences or was not until lately; nil: the presences
	Revision  Revision  // of the last change of anything
	Status    Revision  // of the last change that somebody can see who sees the status alone
}

// Mask is what others are shown of a user who is invisible. It does not change.
type Mask struct {
	Presences Presences // as if each protocol had reported unavailable when the user became invisible
	Revision  Revision  // of the last change that others have seen
	Ended     bool      // the user is not invisible any more, and others have seen no change since Revision; there are no Presences
}

// Revisions are those of the last change that a viewer can see, by what the viewer sees.
type Revisions struct {
	Status    Revision
	All       Revision
	Invisible Revision // of the last change of anything
}

// Of returns the revision for one sight.
func (r Revisions) Of(sight Sight) Revision {
	switch sight {
	case SeesStatus:
		return r.Status
	case SeesAll:
		return r.All
	case SeesInvisible:
		return r.Invisible
	}
	return 0
}

// Revisions returns those of the last changes.
func (k *Known) Revisions() Revisions {
	all := k.Revision
	if k.Mask != nil {
		all = k.Mask.Revision
	}
	return Revisions{Status: k.Status, All: all, Invisible: k.Revision}
}

// Invisible reports whether the user is invisible at a moment. That ends when its time is up, even if nobody has written that yet.
func (k *Known) Invisible(now Timestamp) bool {
	return k.Mask != nil && !k.Mask.Ended && k.Presences.invisible(now)
}

// invisible reports whether one of the presences makes the user invisible at a moment.
func (ps Presences) invisible(now Timestamp) bool {
	for i := range ps {
		if ps[i].Invisible && !ps[i].Expired(now) {
			return true
		}
	}
	return false
}

// never is a moment at which nothing has expired. What has expired counts until it is written, so that its end is a change.
const never Timestamp = 0

// moments are those at which a write of p can be seen: as things were last written, and, if something had ended by then that was not written yet, as they
// were shown when p was written.
func moments(p *Presence) [2]Timestamp { return [...]Timestamp{never, p.Updated} }

// shown returns what others are shown at a moment.
func (k *Known) shown(at Timestamp) Presences {
	if k.Invisible(at) {
		return k.Mask.Presences
	}
	return k.Presences.At(at)
}

// With returns what is kept once p is written, which has its revision. changed says that it is a change, and not just a renewal. The precedence
// decides whether it is another status for others.
func (k *Known) With(p Presence, changed bool, precedence Precedence) Known {
	next := Known{Presences: k.Presences.With(p), Revision: k.Revision, Status: k.Status}
	if changed {
		next.Revision = p.Revision
	}
	if k.Mask != nil || p.Invisible {
		next.mask(k, &p, changed, precedence)
	} else if changed && next.anotherStatus(k, &p, precedence) {
		next.Status = next.Revision
	}
	return next
}

// mask finds out what others are shown after p, and whether that is another state, where one of the two may be a mask.
func (k *Known) mask(before *Known, p *Presence, changed bool, precedence Precedence) {
	hidden := before.Mask != nil && !before.Mask.Ended
	all := before.Revisions().All
	switch {
	case !changed:
		k.Mask = before.Mask
		return
	case p.Invisible && !before.Invisible(p.Updated):
		k.Mask = &Mask{Presences: before.Presences.At(p.Updated).masked(p.Updated)}
	case hidden && k.Presences.invisible(never):
		k.Mask = &Mask{Presences: before.Mask.Presences}
	}
	if !hidden && k.Mask == nil || k.differs(before, p) {
		all = p.Revision
	}
	if k.anotherStatus(before, p, precedence) {
		k.Status = p.Revision
	}
	if k.Mask != nil {
		k.Mask.Revision = all
	} else if all < k.Revision {
		k.Mask = &Mask{Revision: all, Ended: true}
	}
}

// masked returns what others are shown of a user who becomes invisible and has these presences then.
func (ps Presences) masked(now Timestamp) Presences {
	masked := make(Presences, 0, len(ps))
	for _, p := range ps {
		if p.Shown() != (Shown{}) || !p.Expires.IsZero() || p.Stale {
			p = Presence{Protocol: p.Protocol, Since: now, Updated: now}
		}
		p.Device = DeviceID{}
		masked = append(masked, p)
	}
	return masked
}

// differs reports whether somebody who sees all can tell that p was written, renewals aside.
func (k *Known) differs(before *Known, p *Presence) bool {
	for _, at := range moments(p) {
		if before.shown(at).differ(k.shown(at)) {
			return true
		}
	}
	return false
}

// differ reports whether there is a change between the two. There is one presence a protocol.
func (ps Presences) differ(others Presences) bool {
	return !slices.EqualFunc(ps, others, func(p, q Presence) bool { return p.Protocol == q.Protocol && !p.Differs(q) })
}

// anotherStatus reports whether somebody who sees the status alone can tell that p was written. That a user is known, or is not any more, can be seen.
func (k *Known) anotherStatus(before *Known, p *Presence, precedence Precedence) bool {
	if k.Mask == nil && before.Mask == nil && before.Presences.HoldAt(p.Updated) && len(before.Presences) == 1 && len(k.Presences) == 1 {
		return before.Presences[0].DiffersInStatus(k.Presences[0])
	}
	for _, at := range moments(p) {
		was, is := before.shown(at), k.shown(at)
		old, next := precedence.Unify(was), precedence.Unify(is)
		if len(was) == 0 != (len(is) == 0) || old.Status != next.Status || old.Stale != next.Stale {
			return true
		}
	}
	return false
}
