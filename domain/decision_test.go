package domain_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

func TestDecide(t *testing.T) {
	const anna, bea = domain.UserID("anna@example.test"), domain.UserID("bea@example.test")
	for _, test := range []struct {
		name   string
		rules  []string
		viewer domain.Principal
		user   domain.UserID
		want   domain.Decision
		sees   string
	}{
		{"no rules", nil, person(anna), bea, domain.Decision{Sight: domain.SeesAll}, "all"},
		{"the first rule", []string{"* * status", "* * all"}, person(anna), bea, domain.Decision{Sight: domain.SeesStatus, By: domain.DecidedByRule, Rule: 1}, "status"},
		{
			"the first that matches", []string{"* cleo@example.test all", "group:helpdesk * nothing", "* * all"}, person(anna), bea,
			domain.Decision{Sight: domain.SeesNothing, By: domain.DecidedByRule, Rule: 2}, "nothing",
		},
		{"no rule matches", []string{"cleo@example.test * all"}, person(anna), bea, domain.Decision{Sight: domain.SeesNothing, By: domain.DecidedByNoRule}, "nothing"},
		{"oneself", []string{"* * nothing"}, person(anna), anna, domain.Decision{Sight: domain.SeesInvisible, By: domain.DecidedBySelf}, "all"},
		{"oneself, without rules", nil, person(anna), anna, domain.Decision{Sight: domain.SeesInvisible}, "all"},
		{
			"a service that sees who is invisible", []string{"self self all", "service * all"}, service("crm@example.test"), bea,
			domain.Decision{Sight: domain.SeesInvisible, By: domain.DecidedByRule, Rule: 2}, "all",
		},
		{"whoever has the files", []string{"* * nothing"}, domain.Principal{Local: true}, bea, domain.Decision{Sight: domain.SeesInvisible}, "all"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := visibility(t, []string{"crm@example.test"}, test.rules...).Decide(&test.viewer, test.user, memberships)
			if got != test.want || got.Sees() != test.sees {
				t.Errorf("got %+v, which sees %s; want %+v, which sees %s", got, got.Sees(), test.want, test.sees)
			}
		})
	}
}

// TestDecisionsAgreeWithSights: the sight of a decision is Sight's, and the rule that it names says so also if it is alone. None of the rules before it
// matches.
func TestDecisionsAgreeWithSights(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		viewer := rapid.SampledFrom([]domain.Principal{
			person("anna@example.test"), person("dora@other.test"), service("crm@example.test"), static("pbx"), {Local: true},
		}).Draw(rt, "viewer")
		user := rapid.SampledFrom([]domain.UserID{"anna@example.test", "bea@example.test", "crm@example.test", "dora@other.test"}).Draw(rt, "user")
		lines := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) string {
			who := rapid.SampledFrom(append([]string{"service", "key:pbx"}, parties...)).Draw(rt, "rule's viewer") +
				" " + rapid.SampledFrom(parties).Draw(rt, "rule's user") + " "
			if strings.Contains(who, "self") {
				return who + "all"
			}
			return who + rapid.SampledFrom([]string{"all", "status", "nothing"}).Draw(rt, "sees")
		}), 0, 8).Draw(rt, "rules")
		seers := []string{"crm@example.test", "group:board"}
		decide := func(lines []string) domain.Decision {
			return visibility(t, seers, lines...).Decide(&viewer, user, memberships)
		}
		got := decide(lines)
		if sight := visibility(t, seers, lines...).Sight(&viewer, user, memberships); got.Sight != sight {
			rt.Fatalf("%+v, but the sight is %s", got, sight)
		}
		if (got.Rule > 0) != (got.By == domain.DecidedByRule) || got.Rule > len(lines) {
			rt.Fatalf("%+v of %d rules", got, len(lines))
		}
		none := viewer.Local || len(lines) == 0
		self := viewer.Key == nil && viewer.User == user
		if (got.By == domain.DecidedByNothing) != none || (got.By == domain.DecidedBySelf) != (self && !none) {
			rt.Fatalf("%+v of %q", got, lines)
		}
		if got.By != domain.DecidedByRule {
			return
		}
		if rule := lines[got.Rule-1]; !strings.HasSuffix(rule, " "+got.Sees()) {
			rt.Fatalf("%+v, but the rule is %q", got, rule)
		}
		if alone := decide(lines[got.Rule-1 : got.Rule]); alone.Rule != 1 || alone.Sight != got.Sight {
			rt.Fatalf("%+v, and the rule alone %+v", got, alone)
		}
		if before := decide(lines[:got.Rule-1]); before.Rule != 0 {
			rt.Fatalf("%+v, and before it %+v matches", got, before)
		}
	})
}
