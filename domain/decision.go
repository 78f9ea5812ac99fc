package domain

// Decision says what a viewer sees of a user, and why. It tells rules, so it is for administrators, and not for the viewer.
type Decision struct {
	Sight Sight // what the viewer sees, as Visibility.Sight returns it
	By    DecidedBy
	Rule  int // the place of the rule that decided, counted from 1; zero: none did
}

// DecidedBy is what decides what a viewer sees of a user.
type DecidedBy uint8

// What decides.
const (
	DecidedByNothing DecidedBy = iota // there are no rules, or the viewer has the files of the store: everybody is seen
	DecidedByRule                     // the first rule that matches
	DecidedByNoRule                   // there are rules, and none matches, so nothing is seen
	DecidedBySelf                     // everybody sees all of oneself
)

var deciderNames = [...]string{DecidedByNothing: "", DecidedByRule: "rule", DecidedByNoRule: "no rule", DecidedBySelf: "self"}

// String returns what decides in a word or two; nothing if nothing does.
func (d DecidedBy) String() string { return deciderNames[d] }

// Sees returns what the viewer sees in the words of a rule: all, status or nothing.
func (d Decision) Sees() string { return min(d.Sight, SeesAll).String() }

// Masked reports whether the viewer is shown something else than what is so, while the user is invisible.
func (d Decision) Masked() bool { return d.Sight == SeesStatus || d.Sight == SeesAll }

// Decide returns what Sight returns, and what has decided. It matches the rules twice, so it is for those who ask why, and not for each request.
func (v *Visibility) Decide(viewer *Principal, user UserID, groups func(UserID) []string) Decision {
	d := Decision{Sight: v.Sight(viewer, user, groups)}
	switch {
	case viewer.Local || len(v.rules) == 0:
	case viewer.Key == nil && viewer.User == user:
		d.By = DecidedBySelf
	default:
		d.Rule = v.match(viewer, user, groups) + 1
		if d.By = DecidedByRule; d.Rule == 0 {
			d.By = DecidedByNoRule
		}
	}
	return d
}
