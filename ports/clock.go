package ports

import "github.com/zarafa/presence/domain"

// Clock tells the time. It may be used concurrently.
type Clock interface {
	// Now returns the current time. It does not block or allocate.
	Now() domain.Timestamp
}
