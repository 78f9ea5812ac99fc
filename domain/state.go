package domain

// State is what is known of one user as of one revision: all of it, or what a viewer sees of it (Seen).
type State struct {
	User        UserID
	DisplayName string   // what people call the user; empty: nobody has said
	Revision    Revision // of the last change of anything that is shown here, or is remembered; zero if there is nothing
	Presences   Presences
	Unified     Unified // the one answer that they make
	Next        Next    // what that becomes, as far as anybody has said
	Invisible   bool    // others are shown the user as unavailable
	StatusOnly  bool    // the viewer sees no more than the status

	// Seen needs these. What it returns does not have them.
	Others    *Shadow   // what others are shown of a user who is invisible; nil: what is there
	Revisions Revisions // of the last change for each sight
}

// Shadow is what others are shown of a user who is invisible.
type Shadow struct {
	Presences Presences
	Unified   Unified
}

// State returns what is known of a user now, without the display name. What may have been written after the moment known is not there.
func (k *Known) State(user UserID, precedence Precedence, known, now Timestamp) State {
	presences := k.Presences.HeldAt(known, now)
	state := State{
		User: user, Revision: k.Revision, Presences: presences, Unified: precedence.Unify(presences), Next: precedence.Next(k.Presences, now),
		Revisions: k.Revisions(),
	}
	if k.Invisible(known) {
		state.Invisible, state.Others = true, &Shadow{Presences: k.Mask.Presences, Unified: precedence.Unify(k.Mask.Presences)}
	}
	return state
}

// Seen returns what a viewer with a sight is shown.
func (s *State) Seen(sight Sight) State {
	if sight == SeesNothing {
		return State{User: s.User}
	}
	seen := State{
		User: s.User, DisplayName: s.DisplayName, Revision: s.Revisions.Of(sight),
		Presences: s.Presences, Unified: s.Unified, Next: s.Next, Invisible: s.Invisible,
	}
	if s.Others != nil && sight != SeesInvisible {
		seen.Presences, seen.Unified, seen.Next, seen.Invisible = s.Others.Presences, s.Others.Unified, Next{}, false
	}
	if sight == SeesStatus {
		seen.Presences, seen.Unified, seen.Next = nil, Unified{Status: seen.Unified.Status, Stale: seen.Unified.Stale}, Next{}
		seen.Invisible, seen.StatusOnly = false, true
	}
	return seen
}

// ChangedSince reports whether a reader who knew everything as of a revision has to be told this state. What was removed up to the revision
// forgotten is not remembered, so somebody who left off before may have missed anything.
func (s State) ChangedSince(since, forgotten Revision) bool {
	return s.Revision > since || since < forgotten
}
