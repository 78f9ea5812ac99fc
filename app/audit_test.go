package app_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// audit is a ports.Audit that renders what it is told.
type audit struct {
	off   bool
	lines []string
}

func (a *audit) On() bool { return !a.off }

func (a *audit) Note(entries []ports.AuditEntry) {
	for _, d := range entries {
		until := ""
		if !d.Until.IsZero() {
			until = " until"
		}
		a.lines = append(a.lines, strings.TrimSpace(fmt.Sprint(
			[]string{"set", "remove", "import"}[d.Action], []string{" done", " refused", " failed"}[d.Outcome], " by ", d.By.User, " from ", d.Address, " ", d.Request, ": ",
			d.User, " ", d.Protocol, " ", d.Device, " ", d.Status, until, map[bool]string{true: " change"}[d.Change])))
	}
	slices.Sort(a.lines) // writes of an import have no order
}

// took returns what was noted since it was asked last.
func (a *audit) took() []string {
	lines := a.lines
	a.lines = nil
	return lines
}

func TestAudit(t *testing.T) {
	core, noted, irc := coretest.Start(t), new(audit), domain.MustProtocol("irc")
	core.Audit = noted
	clients := []domain.ClientProtocol{{Protocol: coretest.Spreed, Expiry: domain.ExpiryPolicy{After: 1}}, {Protocol: chat}}
	presence, err := app.NewPresence(core.Core, core.Clock, clients, []domain.Protocol{irc})
	if err != nil {
		t.Fatal(err)
	}
	backup := app.NewBackup(core.Core, clock.New(), nil)
	core.Change(t, anna, irc, func(old domain.Presence, now domain.Timestamp) domain.Presence {
		return old.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{}, now)
	})
	ctx := ports.WithOrigin(t.Context(), ports.Origin{By: domain.Principal{User: "service@example.test"}, Address: "192.0.2.1", Request: "r1"})
	update := func(updates ...domain.Update) func() error {
		return func() error { return presence.Update(ctx, domain.Principal{User: anna}, updates) }
	}
	imported := []domain.Change{{User: bea, Presence: domain.Presence{Protocol: chat, Status: domain.Away, Updated: core.Clock.Now() + 1e9}}}
	for _, test := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"set", update(domain.Update{User: "ANNA@example.test", Protocol: "xmpp", Status: "busy", Message: "hidden"}),
			[]string{"set done by anna@example.test from 192.0.2.1 r1: anna@example.test xmpp  busy change"}},
		{"again", update(domain.Update{User: string(anna), Protocol: "xmpp", Status: "busy", Message: "hidden"}),
			[]string{"set done by anna@example.test from 192.0.2.1 r1: anna@example.test xmpp  busy"}},
		{"two at once, one with an end", update(domain.Update{User: string(anna), Protocol: "xmpp", Device: "phone", Status: "away"}, domain.Update{User: string(anna), Protocol: "spreed", Status: "away"}),
			[]string{"set done by anna@example.test from 192.0.2.1 r1: anna@example.test spreed  away until change", "set done by anna@example.test from 192.0.2.1 r1: anna@example.test xmpp phone away change"}},
		{"of all devices", update(domain.Update{User: string(anna), Protocol: "xmpp", Remove: true}),
			[]string{"remove done by anna@example.test from 192.0.2.1 r1: anna@example.test xmpp  unavailable change", "remove done by anna@example.test from 192.0.2.1 r1: anna@example.test xmpp phone unavailable change"}},
		{"nothing is there", update(domain.Update{User: string(anna), Protocol: "xmpp", Remove: true}), nil},
		{"what it has got, of a read-only protocol", update(domain.Update{User: string(anna), Protocol: "irc", Status: "busy"}), nil},
		{"somebody else's", update(domain.Update{User: string(anna), Protocol: "xmpp", Status: "busy"}, domain.Update{User: "BEA@example.test", Protocol: "xmpp", Device: "x", Status: "busy", Message: "hidden"}),
			[]string{"set refused by anna@example.test from 192.0.2.1 r1: bea@example.test xmpp x busy"}},
		{"removing somebody else's", update(domain.Update{User: string(bea), Protocol: "xmpp", Remove: true}),
			[]string{"remove refused by anna@example.test from 192.0.2.1 r1: bea@example.test xmpp  unavailable"}},
		{"somebody else's, and wrong", update(domain.Update{User: string(bea), Protocol: "xmpp", Device: "x", Status: "sleepy"}),
			[]string{"set refused by anna@example.test from 192.0.2.1 r1: bea@example.test xmpp x"}},
		{"wrong", update(domain.Update{User: string(anna), Protocol: "nothing", Status: "busy"}), nil},
		{"import", func() error { _, err := backup.Import(ctx, domain.Principal{}, imported); return err },
			[]string{"import done by service@example.test from 192.0.2.1 r1: bea@example.test xmpp  away change"}},
		{"import again", func() error { _, err := backup.Import(ctx, domain.Principal{}, imported); return err }, nil},
	} {
		err := test.do()
		if got := noted.took(); !slices.Equal(got, test.want) {
			t.Errorf("%s (%v):\n%s\nwant\n%s", test.name, err, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}

	core.Journal.Before(1, func() error { return ports.ErrUnavailable })
	err = update(domain.Update{User: string(anna), Protocol: "xmpp", Status: "busy"})()
	if got := noted.took(); !errors.Is(err, ports.ErrUnavailable) || len(got) != 1 || !strings.HasPrefix(got[0], "set failed by anna@example.test") {
		t.Errorf("what could not be written: %v, %q", err, got)
	}
	noted.off = true
	if err := update(domain.Update{User: string(anna), Protocol: "xmpp", Status: "busy"})(); err != nil || noted.took() != nil {
		t.Errorf("off: %v, %q", err, noted.lines)
	}
}
