package domain_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/zarafa/presence/domain"
)

func TestMayUpdate(t *testing.T) {
	mark := domain.Principal{User: "markd@zarafa.com"}
	if err := mark.MayUpdate("markd@zarafa.com", xmpp); err != nil {
		t.Errorf("oneself: %v", err)
	}
	err := mark.MayUpdate("other@zarafa.com", xmpp)
	if !errors.Is(err, domain.ErrForbidden) || !strings.Contains(err.Error(), "markd@zarafa.com") || !strings.Contains(err.Error(), "other@zarafa.com") {
		t.Errorf("another: %v, want ErrForbidden that names both", err)
	}
	if err := mark.MayWatchAll(); !errors.Is(err, domain.ErrForbidden) || !strings.Contains(err.Error(), "markd@zarafa.com") {
		t.Errorf("everybody: %v", err)
	}
	if err := (domain.Principal{User: "service@zarafa.com", Service: true}).MayWatchAll(); err != nil {
		t.Errorf("everybody, for a service: %v", err)
	}
	if err := (domain.Principal{User: "service@zarafa.com", Any: true}).MayUpdate("other@zarafa.com", xmpp); err != nil {
		t.Errorf("a service: %v", err)
	}
}

func TestProblems(t *testing.T) {
	if err := (domain.Problems)(nil).OrNil(); err != nil {
		t.Errorf("no problems are %v, want nil", err)
	}
	var problems domain.Problems
	for i := range 12 {
		problems = append(problems, domain.Problem{Index: i, Field: domain.FieldProtocol, Err: domain.UnknownProtocol("fax", []string{"manual", "spreed"})})
	}
	problems[11].Err = domain.ReadOnly(xmpp, "markd@zarafa.com")
	err := problems.OrNil()
	if !errors.Is(err, domain.ErrUnknownProtocol) || !errors.Is(err, domain.ErrReadOnly) || errors.Is(err, domain.ErrForbidden) {
		t.Errorf("%v does not wrap its reasons", err)
	}
	for _, part := range []string{`entry 0: unknown protocol "fax": on are manual, spreed; the daemon's configuration decides (protocols, clients, and enabled in a protocol's section)`, "entry 9", "and 2 more"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}
