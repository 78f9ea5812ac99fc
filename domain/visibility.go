package domain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Sight is what one viewer sees of one user.
type Sight uint8

// The sights. Each shows all that the one before it shows.
const (
	SeesNothing   Sight = iota // the user looks like one who is not known
	SeesStatus                 // the unified status, whether it is stale, and the display name
	SeesAll                    // all; of a user who is invisible, what the others are shown
	SeesInvisible              // all, also of a user who is invisible
)

var sightNames = [...]string{SeesNothing: "nothing", SeesStatus: "status", SeesAll: "all", SeesInvisible: "invisible"}

// String returns the sight in one word.
func (s Sight) String() string { return sightNames[s] }

// ErrInvalidRule is wrapped by each fault of a rule.
var ErrInvalidRule = errors.New("invalid rule of visibility")

// VisibilityRule is a rule as a configuration has it.
type VisibilityRule struct {
	Viewer string // id, *@domain, group:NAME, service, key:NAME, self or *
	User   string // id, *@domain, group:NAME, self or *
	Sees   string // all, status or nothing
}

// Visibility says what a viewer sees of a user. Make it with NewVisibility; it does not change and may be used concurrently. By its zero value
// everybody sees all.
type Visibility struct {
	rules        []visibilityRule
	seeInvisible UserList
	byGroup      bool
}

type visibilityRule struct {
	viewer, user party
	sees         Sight
}

// party is who a rule is about.
type party struct {
	kind partyKind
	name string // the id of a user or key, a domain or the name of a group
}

type partyKind uint8

const (
	anybody   partyKind = iota
	oneself             // the viewer and the user are the same
	oneUser             // the user with the id
	oneKey              // the static key with the name
	oneDomain           // the users of a domain
	oneGroup            // the members of a group
	services            // every service
)

// NewVisibility reads rules. The first one that matches a viewer and a user counts. If none matches, the viewer sees nothing. Without any rules
// everybody sees all. The services among seeInvisible see through a user's invisibility, if they see all of the user. The error names every entry
// that is none, with its number, and wraps ErrInvalidRule or ErrInvalidUser.
func NewVisibility(rules []VisibilityRule, seeInvisible UserList) (*Visibility, error) {
	v := &Visibility{seeInvisible: seeInvisible, byGroup: len(seeInvisible.groups) > 0}
	var all []error
	for i, rule := range rules {
		parsed, faults := parseRule(rule)
		for _, fault := range faults {
			all = append(all, fmt.Errorf("entry %d: %w", i+1, fault))
		}
		v.rules = append(v.rules, parsed)
		v.byGroup = v.byGroup || parsed.viewer.kind == oneGroup || parsed.user.kind == oneGroup
	}
	return v, errors.Join(all...)
}

func parseRule(rule VisibilityRule) (parsed visibilityRule, faults []error) {
	fault := func(member string, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", member, err))
		}
	}
	var err error
	parsed.viewer, err = parseViewer(rule.Viewer)
	fault("viewer", err)
	parsed.user, err = parseParty(rule.User, "self or *")
	fault("user", err)
	parsed.sees, err = parseSees(rule.Sees)
	if err == nil && parsed.sees != SeesAll && (parsed.viewer.kind == oneself || parsed.user.kind == oneself) {
		err = fmt.Errorf("%w: everybody sees all of oneself, so there is no other rule for self", ErrInvalidRule)
	}
	fault("sees", err)
	return parsed, faults
}

func parseSees(word string) (Sight, error) {
	for _, sight := range [...]Sight{SeesAll, SeesStatus, SeesNothing} {
		if word == sight.String() {
			return sight, nil
		}
	}
	return SeesNothing, fmt.Errorf("%w: %s is none of all, status and nothing", ErrInvalidRule, quote(word))
}

func parseViewer(entry string) (party, error) {
	name, isKey := strings.CutPrefix(entry, KeyPrefix)
	switch {
	case entry == "service":
		return party{kind: services}, nil
	case isKey && name == "":
		return party{}, fmt.Errorf("%w: %s: the name of the key is missing", ErrInvalidRule, quote(entry))
	case isKey:
		return party{oneKey, entry}, nil
	}
	return parseParty(entry, "service, key:NAME, self or *")
}

// parseParty reads who a rule is about, who can also be others than ids, domains and groups.
func parseParty(entry, others string) (party, error) {
	group, isGroup := strings.CutPrefix(entry, GroupPrefix)
	host, isDomain := strings.CutPrefix(entry, DomainPrefix)
	switch {
	case entry == "*":
		return party{kind: anybody}, nil
	case entry == "self":
		return party{kind: oneself}, nil
	case isGroup && strings.TrimSpace(group) == "":
		return party{}, fmt.Errorf("%w: %s: the name of the group is missing", ErrInvalidRule, quote(entry))
	case isGroup:
		return party{oneGroup, group}, nil
	case isDomain:
		someone, err := NewUserID("x", host)
		if err != nil {
			return party{}, fmt.Errorf("%w: %s: it is no domain", ErrInvalidRule, quote(entry))
		}
		_, host = someone.Split()
		return party{oneDomain, host}, nil
	}
	user, err := ParseUserID(entry)
	if err != nil {
		return party{}, fmt.Errorf("%w; it must be an id, *@domain, group:NAME, %s", err, others)
	}
	return party{oneUser, string(user)}, nil
}

// Unrestricted reports whether everybody sees all, but for what users who are invisible hide.
func (v *Visibility) Unrestricted() bool { return len(v.rules) == 0 }

// ByGroup reports whether what somebody sees depends on groups.
func (v *Visibility) ByGroup() bool { return v.byGroup }

// Sight returns what a viewer sees of a user. Groups tells in which groups a user is; nil: nobody is in any.
func (v *Visibility) Sight(viewer *Principal, user UserID, groups func(UserID) []string) Sight {
	if viewer.Local || viewer.Key == nil && viewer.User == user {
		return SeesInvisible
	}
	sight := SeesAll
	if len(v.rules) > 0 {
		at := v.match(viewer, user, groups)
		if at < 0 {
			return SeesNothing
		}
		sight = v.rules[at].sees
	}
	if sight == SeesAll && viewer.Service && v.seeInvisible.Has(viewer.User, groups) {
		return SeesInvisible
	}
	return sight
}

// match returns the index of the first rule that matches; -1 if none does.
func (v *Visibility) match(viewer *Principal, user UserID, groups func(UserID) []string) int {
	by, of := someone{id: viewer.User, groups: groups}, someone{id: user, groups: groups}
	_, by.host = by.id.Split()
	_, of.host = of.id.Split()
	for i := range v.rules {
		rule := &v.rules[i]
		if rule.viewer.isViewer(viewer, &by) && rule.user.is(&of) {
			return i
		}
	}
	return -1
}

// someone is a viewer or a user while rules are matched.
type someone struct {
	id     UserID
	host   string
	groups func(UserID) []string // nil: in listed
	listed []string              // the groups, once they were looked up
}

// isViewer reports whether a rule with such a viewer is about this one, who is not the user.
func (p *party) isViewer(viewer *Principal, by *someone) bool {
	switch {
	case p.kind == services:
		return viewer.Service
	case p.kind == oneKey:
		return viewer.Key != nil && string(viewer.User) == p.name
	case viewer.Key != nil:
		return p.kind == anybody
	}
	return p.is(by)
}

// is reports whether a rule with such a party is about somebody, who is another one than the other party.
func (p *party) is(s *someone) bool {
	switch p.kind {
	case anybody:
		return true
	case oneUser:
		return string(s.id) == p.name
	case oneDomain:
		return s.host == p.name
	case oneGroup:
		if s.groups != nil {
			s.listed, s.groups = s.groups(s.id), nil
		}
		return slices.Contains(s.listed, p.name)
	}
	return false
}
