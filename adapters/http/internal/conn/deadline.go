package conn

import "time"

// maxSlack is how much sooner than configured a time-out may strike.
const maxSlack = 100 * time.Millisecond

// Slack returns how much sooner than configured a time-out may strike, given the shortest of them: so little that nobody minds, and
// enough for a busy connection to keep one deadline for many requests.
func Slack(shortest time.Duration) time.Duration { return min(maxSlack, shortest/16) }

// deadline is until when a connection's reads, or its writes, may take. fasthttp sets three for each request, which costs more than
// reading its header, and most of them are over before a read or a write has to wait. So they are noted, and set only before
// a wait, unless one is set that is nearly the same. Only the goroutine that serves the connection uses it.
type deadline struct {
	wanted, set time.Time
}

// apply makes the wanted deadline the connection's, or keeps one that is at most slack sooner. It cannot fail unless Group.Stop has closed
// the connection, which the read or write finds out anyway.
func (d *deadline) apply(slack time.Duration, set func(time.Time) error) {
	if d.wanted.Equal(d.set) {
		return
	}
	if !d.wanted.IsZero() && !d.set.IsZero() {
		if sooner := d.wanted.Sub(d.set); sooner >= 0 && sooner <= slack {
			return
		}
	}
	_ = set(d.wanted)
	d.set = d.wanted
}
