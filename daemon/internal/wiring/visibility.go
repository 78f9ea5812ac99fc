package wiring

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
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
			warnings = append(warnings, fmt.Sprintf("%s: it is about %s, which auth.keys does not have", setting.Entry("visibility", i, ""), rule.Viewer))
		}
		if rule.Viewer == "*" && rule.User == "*" && i+1 < len(s.General.Visibility) {
			warnings = append(warnings, setting.Entry("visibility", i, "")+": it is about everybody, so no entry after it has an effect")
			break
		}
	}
	return slices.Concat(warnings, s.blindWarnings(), s.seeInvisibleWarnings())
}

// blindWarnings names the keys and webhooks that no rule can show anybody. They have no id, so a rule for a domain is not about them.
func (s *Settings) blindWarnings() (warnings []string) {
	blind := func(viewer string) bool {
		return len(s.General.Visibility) > 0 && !slices.ContainsFunc(s.General.Visibility, func(r VisibilityRule) bool { return r.Viewer == viewer || r.Viewer == "*" })
	}
	for i, key := range s.Auth.Keys {
		if viewer := domain.KeyPrefix + key.Name; key.Read && blind(viewer) {
			warnings = append(warnings, fmt.Sprintf("%s: it may read, but is shown nobody: no rule of visibility has the viewer %s", setting.Entry("auth.keys", i, key.Name), viewer))
		}
	}
	if len(s.General.Webhooks) > 0 && blind("service") {
		warnings = append(warnings, "webhooks: they are told of nobody: no rule of visibility has the viewer service")
	}
	return warnings
}

// seeInvisibleWarnings names the users in auth.see_invisible who are no services, and so see nothing more by it. Whoever an OpenID provider may call a service
// is not known here.
func (s *Settings) seeInvisibleWarnings() (warnings []string) {
	if s.OIDC.ServiceRole != "" {
		return nil
	}
	services, err := domain.ParseUserList(s.Auth.Services)
	if err != nil {
		return nil // which Validate reports
	}
	for _, entry := range s.Auth.SeeInvisible {
		if user, err := domain.ParseUserID(entry); err == nil && !strings.HasPrefix(entry, domain.DomainPrefix) && !services.Has(user, nil) {
			warnings = append(warnings, fmt.Sprintf("auth.see_invisible: %s is no service (auth.services), and sees nobody who is invisible", user))
		}
	}
	return warnings
}

// groupWarnings names the groups in lists of users that no record of identities has. One who misspells a group finds it empty, and nothing is refused.
func (s *Settings) groupWarnings() (warnings []string) {
	table, err := s.General.ReadIdentities()
	if err != nil {
		return nil // which Validate reports
	}
	look := func(place string, entries ...string) {
		for _, entry := range entries {
			group, isGroup := strings.CutPrefix(entry, domain.GroupPrefix)
			if isGroup && group != "" && table.Group(group) == nil {
				warnings = append(warnings, fmt.Sprintf("%s: no record of identities has the group %s", place, group))
			}
		}
	}
	for i, rule := range s.General.Visibility {
		look(setting.Entry("visibility", i, ""), rule.Viewer, rule.User)
	}
	look("auth.see_invisible", s.Auth.SeeInvisible...)
	for i, key := range s.Auth.Keys {
		look(setting.Entry("auth.keys", i, key.Name), key.Users...)
	}
	for i, hook := range s.General.Webhooks {
		place := setting.Entry("webhooks", i, hook.Name)
		look(place, hook.Users...)
		for _, group := range hook.Groups {
			look(place, domain.GroupPrefix+group)
		}
	}
	return warnings
}

func newSights(s *Settings, identities *app.Identities) (*app.Sights, error) {
	rules, err := s.visibility()
	return app.NewSights(rules, identities), err
}
