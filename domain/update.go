package domain

// Update is a request to set a user's presence on one protocol, or to take it away, as a client wrote it: nothing in it has been checked
// yet.
type Update struct {
	User      string
	Protocol  string
	Device    string // which of the user's devices says so; empty: they are not told apart
	Status    string
	Message   string
	Activity  string    // a word of RFC 4480; empty: none
	Until     Timestamp // the last moment at which it is to hold; zero: as long as the protocol's presences do
	IdleSince Timestamp // when the user was last active; zero: the user is active, or it is not said
	Invisible bool      // others are to be shown the user as unavailable for as long; needs Until
	Remove    bool      // nothing is to be known of the user on this protocol; of the members above only the first three count
}
