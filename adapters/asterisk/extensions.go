package asterisk

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// presenceDevice is behind the name of an extension in the name of its second device.
const presenceDevice = " presence"

// extension is an extension with a hint that a user has. Its telephones are one device of the user, its presence state is another.
type extension struct {
	name       string // extension@context in lower case: the name of the first device
	user       domain.UserID
	hint       string // as the last list had it
	presentity string // in lower case; empty: the hint has none
	state      int    // of the telephones

	shows         domain.Status // what the first device was last reported to show
	hasPresence   bool          // the presence state is set
	showsPresence bool          // the second device is there

	listed, presenceListed int // the number of the list that had it last; an event counts, too
}

// extensions are all that users have. They tell the observer what changes. Only one goroutine uses them.
type extensions struct {
	config       Config
	identities   ports.Identities
	observer     ports.Observer
	byName       map[string]*extension
	byPresentity map[string]map[*extension]struct{}
	ofUser       map[domain.UserID]int // how many each user has
	list         int                   // the number of the list that is being read, or was last
}

func newExtensions(c Config, identities ports.Identities, observer ports.Observer) *extensions {
	return &extensions{config: c, identities: identities, observer: observer, byName: make(map[string]*extension),
		byPresentity: make(map[string]map[*extension]struct{}), ofUser: make(map[domain.UserID]int)}
}

// counts reports whether an extension is in one of the contexts.
func (x *extensions) counts(p *packet) bool {
	return p.exten != "" && slices.ContainsFunc(x.config.Contexts, func(name string) bool { return strings.EqualFold(name, p.context) })
}

// status takes the state of an extension, from a list or from an event. It reports whether the list did not lead to expect that: the state has
// changed, or an event's hint is not the list's.
func (x *extensions) status(p *packet, isListed bool) (changed, otherHint bool) {
	state, err := strconv.Atoi(p.status)
	if err != nil || !x.counts(p) {
		return false, false
	}
	name := strings.ToLower(p.exten + "@" + p.context)
	e, known := x.byName[name]
	if state < 0 {
		if known {
			x.drop(e)
		}
		return known, false
	}
	if !known {
		if e = x.add(name, p.hint); e == nil {
			return false, false
		}
	}
	e.listed = x.list
	switch {
	case isListed && e.hint != p.hint:
		x.setHint(e, p.hint)
	case !isListed && (!known || e.hint != p.hint):
		otherHint = true
	}
	changed = known && e.state != state
	e.state = state
	x.showPhone(e)
	return changed, otherHint
}

// add adds an extension. It returns nil if nobody has it, or there is no room for the user.
func (x *extensions) add(name, hint string) *extension {
	user, known := x.identities.User(Protocol, name)
	if !known || !x.observer.Known(user) {
		return nil
	}
	e := &extension{name: name, user: user}
	x.byName[name] = e
	x.ofUser[user]++
	x.setHint(e, hint)
	return e
}

// setHint takes the text of a hint: telephones, joined by &, and a presentity behind the first comma.
func (x *extensions) setHint(e *extension, hint string) {
	_, presentity, _ := strings.Cut(hint, ",")
	presentity = strings.ToLower(strings.TrimSpace(presentity))
	e.hint = hint
	if e.presentity == presentity {
		return
	}
	x.unlink(e)
	x.showPresence(e, "not_set", "") // until it is listed
	e.presentity = presentity
	if presentity == "" {
		return
	}
	if x.byPresentity[presentity] == nil {
		x.byPresentity[presentity] = make(map[*extension]struct{}, 1)
	}
	x.byPresentity[presentity][e] = struct{}{}
}

func (x *extensions) unlink(e *extension) {
	linked := x.byPresentity[e.presentity]
	if delete(linked, e); len(linked) == 0 {
		delete(x.byPresentity, e.presentity)
	}
}

// presence takes the state of a presentity, from a list or from an event.
func (x *extensions) presence(p *packet) {
	linked := x.byPresentity[strings.ToLower(p.presentity)]
	if len(linked) == 0 {
		return
	}
	note := unescape(p.message)
	for e := range linked {
		e.presenceListed = x.list
		x.showPresence(e, p.status, note)
	}
}

func (x *extensions) showPresence(e *extension, state, note string) {
	status, isSet := presenceStates.Status(state)
	if status != domain.Unavailable {
		e.showsPresence = x.observer.Report(domain.Report{User: e.user, Device: e.name + presenceDevice, Status: status, Message: note}) || e.showsPresence
	} else if e.showsPresence {
		x.observer.Report(domain.Report{User: e.user, Device: e.name + presenceDevice})
		e.showsPresence = false
	}
	if e.hasPresence != isSet {
		e.hasPresence = isSet
		x.showPhone(e)
	}
}

// showPhone reports what the telephones show if it has changed.
func (x *extensions) showPhone(e *extension) {
	status, activity := x.config.phoneShows(e.state, e.hasPresence)
	if status == e.shows {
		return
	}
	if x.observer.Report(domain.Report{User: e.user, Device: e.name, Status: status, Activity: activity}) {
		e.shows = status
	}
}

// drop removes an extension, and forgets its user if it was the last.
func (x *extensions) drop(e *extension) {
	x.unlink(e)
	delete(x.byName, e.name)
	if x.ofUser[e.user]--; x.ofUser[e.user] == 0 {
		delete(x.ofUser, e.user)
		x.observer.Forget(e.user)
		return
	}
	x.observer.Report(domain.Report{User: e.user, Device: e.name})
	x.observer.Report(domain.Report{User: e.user, Device: e.name + presenceDevice})
}

// begin begins to read a list.
func (x *extensions) begin() { x.list++ }

// dropUnlisted removes the extensions that the last list has not had.
func (x *extensions) dropUnlisted() {
	for _, e := range x.byName {
		if e.listed != x.list {
			x.drop(e)
		}
	}
}

// resetUnlisted takes away the presence states that the last list has not had.
func (x *extensions) resetUnlisted() {
	for _, e := range x.byName {
		if e.presenceListed != x.list {
			x.showPresence(e, "not_set", "")
		}
	}
}

// dropRenamed removes the extensions that their user no longer has.
func (x *extensions) dropRenamed() {
	for _, e := range x.byName {
		if user, known := x.identities.User(Protocol, e.name); !known || user != e.user {
			x.drop(e)
		}
	}
}
