package wiring

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
)

// VisibilityRule is an entry of the key visibility.
type VisibilityRule struct {
	Viewer string `koanf:"viewer" help:"who asks: an id, *@domain, group:NAME, service, key:NAME, self or *"`
	User   string `koanf:"user" help:"who is asked about: an id, *@domain, group:NAME, self or *"`
	Sees   string `koanf:"sees" help:"what the viewer sees of the user" choice:"all,status,nothing"`
}

func (r VisibilityRule) forDomain() domain.VisibilityRule { return domain.VisibilityRule(r) }

// visibility makes the rules of both keys. The error has a line for each fault.
func (s *Settings) visibility() (*domain.Visibility, error) {
	services, err := s.Auth.SeeInvisibleList()
	rules, faults := s.General.visibility(services)
	return rules, errors.Join(err, faults)
}

func (g General) visibility(seeInvisible domain.UserList) (*domain.Visibility, error) {
	list := make([]domain.VisibilityRule, 0, len(g.Visibility))
	for _, rule := range g.Visibility {
		list = append(list, rule.forDomain())
	}
	rules, err := domain.NewVisibility(list, seeInvisible)
	if err == nil {
		return rules, nil
	}
	var faults []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		faults = append(faults, errors.New("visibility: "+line))
	}
	return rules, errors.Join(faults...)
}

// byService reports whether what somebody sees depends on who is a service.
func (s *Settings) byService() bool {
	return len(s.Auth.SeeInvisible) > 0 || slices.ContainsFunc(s.General.Visibility, func(r VisibilityRule) bool { return r.Viewer == "service" })
}

// visibilityWarnings says what in the rules has no effect.
func (s *Settings) visibilityWarnings() (warnings []string) {
	for i, rule := range s.General.Visibility {
		name, isKey := strings.CutPrefix(rule.Viewer, domain.KeyPrefix)
		if isKey && !slices.ContainsFunc(s.Auth.Keys, func(k auth.Key) bool { return k.Name == name }) {
			warnings = append(warnings, fmt.Sprintf("visibility: entry %d is about %s, which auth.keys does not have", i+1, rule.Viewer))
		}
		if rule.Viewer == "*" && rule.User == "*" && i+1 < len(s.General.Visibility) {
			warnings = append(warnings, fmt.Sprintf("visibility: no entry after entry %d has an effect, for that one is about everybody", i+1))
			break
		}
	}
	return warnings
}

func newSights(s *Settings, identities *app.Identities) (*app.Sights, error) {
	rules, err := s.visibility()
	return app.NewSights(rules, identities), err
}
