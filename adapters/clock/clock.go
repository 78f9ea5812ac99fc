// Package clock tells the time: the adapter of the clock port that the daemon runs with. Tests use a fixed clock or
// testing/synctest, whose fake time it follows.
package clock

import (
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Clock = System{}

// System is the machine's clock. It may be used concurrently.
type System struct{}

// New returns the machine's clock.
func New() System { return System{} }

// Now returns the current time. It does not block or allocate.
func (System) Now() domain.Timestamp { return domain.TimestampOf(time.Now()) }
