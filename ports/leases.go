package ports

import (
	"context"
	"errors"
)

// ErrLeaseLost is the cause with which the context of Leases.Hold ends when another daemon may hold the lease by now.
var ErrLeaseLost = errors.New("the lease is lost")

// Leases says which of several daemons does what only one of them may do. A daemon that is alone always holds every lease. It may
// be used concurrently.
type Leases interface {
	// Hold waits until this daemon holds the lease of that name, calls work, and gives the lease up when work has returned. It does
	// so again and again until ctx ends, and returns then. The context given to work ends with ctx, or with the cause ErrLeaseLost
	// when the lease could not be kept; work must not write anything any more then. Of one name it is not called concurrently.
	Hold(ctx context.Context, name string, work func(ctx context.Context))
}
