package ports

import "github.com/zarafa/presence/domain"

// Sources tells how the sources of this daemon are doing. It may be used concurrently.
type Sources interface {
	// Statuses returns the status of each source, in the order of their protocols' names. It does not block. What it returns is the
	// caller's.
	Statuses() []domain.SourceStatus

	// KnownUntil returns since when what other daemons write may be missing here, because the journal cannot be followed: zero if it can. It
	// does not block.
	KnownUntil() domain.Timestamp
}
