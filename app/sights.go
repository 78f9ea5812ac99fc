package app

import (
	"sync/atomic"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Sights tells what viewers see, by rules that can be replaced. A nil *Sights has none: everybody sees all. It may be used concurrently.
type Sights struct {
	rules  atomic.Pointer[domain.Visibility]
	groups func(domain.UserID) []string // nil: nobody is in any
}

// NewSights begins with rules. Without groups nobody is in any.
func NewSights(rules *domain.Visibility, groups ports.Groups) *Sights {
	s := new(Sights)
	if groups != nil {
		s.groups = groups.Groups
	}
	s.Configure(rules)
	return s
}

// Configure replaces the rules. That is no change of a user: who follows has to ask for the states anew.
func (s *Sights) Configure(rules *domain.Visibility) { s.rules.Store(rules) }

// noRules is for those who have none.
var noRules domain.Visibility

func (s *Sights) current() *domain.Visibility {
	if s == nil {
		return &noRules
	}
	return s.rules.Load()
}

// Unrestricted reports whether there are no rules.
func (s *Sights) Unrestricted() bool { return s.current().Unrestricted() }

// ByGroup reports whether the rules go by groups.
func (s *Sights) ByGroup() bool { return s.current().ByGroup() }

// Of returns what a viewer sees of a user.
func (s *Sights) Of(by *domain.Principal, user domain.UserID) domain.Sight {
	if s == nil {
		return noRules.Sight(by, user, nil)
	}
	return s.rules.Load().Sight(by, user, s.groups)
}

// decide returns what a viewer sees of a user, and which rule decides.
func (s *Sights) decide(viewer *domain.Principal, user domain.UserID) domain.Decision {
	if s == nil {
		return noRules.Decide(viewer, user, nil)
	}
	return s.rules.Load().Decide(viewer, user, s.groups)
}

// presences returns what a viewer sees of what is kept of a user, as of a moment up to which everything is known. Without rules, and if the user
// is not invisible, that costs next to nothing.
func (s *Sights) presences(by *domain.Principal, user domain.UserID, kept *domain.Known, known, now domain.Timestamp) domain.Presences {
	if kept.Mask != nil || !s.Unrestricted() {
		switch sight := s.Of(by, user); {
		case sight < domain.SeesAll:
			return nil
		case sight == domain.SeesAll && kept.Invisible(known):
			return kept.Mask.Presences
		}
	}
	return kept.Presences.HeldAt(known, now)
}
