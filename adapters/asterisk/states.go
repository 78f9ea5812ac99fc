package asterisk

import "github.com/zarafa/presence/domain"

// The state of an extension is a sum of these, 0 if all of its telephones are idle, or negative if there is no hint (any more).
const (
	inUse       = 1
	isBusy      = 2
	unavailable = 4
	ringing     = 8
	onHold      = 16 // also who is held, not only who holds
)

// phoneShows returns what the telephones of an extension say; domain.Unavailable is nothing. An idle telephone is no person who is there. If it
// counts as available at all, a presence state that the user has set goes before it.
func (c Config) phoneShows(state int, hasPresence bool) (domain.Status, domain.Activity) {
	available := domain.Available
	if hasPresence {
		available = domain.Unavailable
	}
	switch {
	case state < 0:
		return domain.Unavailable, domain.NoActivity
	case state&(inUse|isBusy|onHold) != 0, state&ringing != 0 && c.Ringing == saysBusy:
		return domain.Busy, domain.OnThePhone
	case state&ringing != 0, state == 0 && c.Idle == saysAvailable:
		return available, domain.NoActivity
	}
	return domain.Unavailable, domain.NoActivity
}

// presenceStates maps presence states. What is not in the table, above all not_set, says nothing.
var presenceStates = domain.NewStatusMap(map[string]domain.Status{
	"available": domain.Available, "chat": domain.Available,
	"away": domain.Away, "xa": domain.Away,
	"dnd": domain.Busy, "unavailable": domain.Unavailable,
}, domain.Unavailable)
