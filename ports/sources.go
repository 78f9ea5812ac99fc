package ports

import "github.com/zarafa/presence/domain"

// Sources tells how the sources of this daemon are doing, and which names they have met that are nobody's. It may be used concurrently.
type Sources interface {
	// Statuses returns the status of each source, in the order of their protocols' names. It does not block. What it returns is the
	// caller's.
	Statuses() []domain.SourceStatus

	// KnownUntil returns since when what other daemons write may be missing here, because the journal cannot be followed: zero if it can. It
	// does not block.
	KnownUntil() domain.Timestamp

	// Unmapped lists names that the sources have met and that are nobody's, by protocol and name, and how often further ones were met for which
	// there was no room in the list. It is empty when identities are read anew. It does not block.
	Unmapped() (names []domain.Unmapped, others int)
}
