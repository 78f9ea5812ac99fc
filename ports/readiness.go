package ports

import "errors"

// ErrLoading says that what is stored is not all there yet.
var ErrLoading = errors.New("the presences are being loaded")

// Readiness says whether requests can be answered yet. It may be used concurrently.
type Readiness interface {
	// Ready returns an error that wraps ErrLoading until everything is there that answers are made of, and again for a moment after a
	// daemon of several was halted; otherwise nil. It does not block or allocate.
	Ready() error
}
