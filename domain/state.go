package domain

// State is what is known of one user as of one revision.
type State struct {
	User      UserID
	Revision  Revision // of the last change of anything that is known of the user, or is remembered; zero if there is nothing
	Presences Presences
	Unified   Unified // the one answer that they make
	Next      Next    // what that becomes, as far as anybody has said
}

// ChangedSince reports whether a reader who knew everything as of a revision has to be told this state. What was removed up to the revision
// forgotten is not remembered, so somebody who left off before may have missed anything.
func (s State) ChangedSince(since, forgotten Revision) bool {
	return s.Revision > since || since < forgotten
}
