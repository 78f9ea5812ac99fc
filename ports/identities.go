package ports

import "github.com/zarafa/presence/domain"

// Identities says which user a name is on a protocol whose names are no user ids: an extension, a nick, a calendar's address. Sources ask it. It
// may be used concurrently, and does not block.
type Identities interface {
	// User returns who has a name on a protocol: false if nobody has. Such a name is counted and listed for the administrator.
	User(protocol domain.Protocol, name string) (user domain.UserID, known bool)

	// Find is User for a name that the source was configured with. If nobody has it, that is neither counted nor listed.
	Find(protocol domain.Protocol, name string) (user domain.UserID, known bool)

	// Names lists the names on a protocol that were configured one by one, not as a pattern, in the order of their users. It must not be changed.
	Names(protocol domain.Protocol) []domain.Name

	// Changed returns a channel that is closed as soon as User and Names may say something else. Then a source asks anew, forgets
	// (Observer.Forget) who has no name any more, and takes the next channel.
	Changed() <-chan struct{}
}

// TimeZones says in which time zone a user is. It may be used concurrently, and does not block. Identities.Changed tells when it may say something else.
type TimeZones interface {
	// TimeZone returns the IANA name of a user's zone, empty if nobody has said it.
	TimeZone(user domain.UserID) string
}

// Groups says in which groups a user is. It may be used concurrently, and does not block.
type Groups interface {
	// Groups lists them. The result must not be changed.
	Groups(user domain.UserID) []string
}
