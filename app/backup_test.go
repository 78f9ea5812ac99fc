package app_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
)

func TestExportAndImport(t *testing.T) {
	manual := domain.ClientProtocol{Protocol: domain.MustProtocol("manual"), Expiry: domain.ExpiryPolicy{Vanishes: true}}
	from := newFixture(t)
	from.observe(t, mark, domain.Away, "lunch")
	from.set(t, anna, "busy", "in a meeting")
	from.set(t, mark, "available", "here")
	exported := export(t, app.NewBackup(from.store.Core, clock.New(), nil))
	if len(exported) != 3 || exported[0].User != anna || exported[1].Presence.Protocol != web || exported[2].Presence.Protocol != chat {
		t.Fatalf("exported %+v, want them by user and protocol", exported)
	}
	set := domain.Presence{Protocol: manual.Protocol}.Observe(domain.Shown{Status: domain.Busy, Message: "until three"}, domain.ExpiryPolicy{}, start)
	set.Expires = start.Add(time.Hour) // as a version wrote it that knew no members for what its expiry leaves
	exported = append(exported, domain.Change{User: mark, Presence: set})

	to := coretest.Start(t)
	backup := app.NewBackup(to.Core, clock.New(), []domain.ClientProtocol{spreed, manual})
	for round, want := range []int{4, 0} {
		if written, err := backup.Import(t.Context(), domain.Principal{}, exported); err != nil || written != want {
			t.Errorf("import %d has written %d, %v; want %d", round+1, written, err, want)
		}
	}
	if got := to.Presences(mark).At(start); len(got) != 3 || render(got[1:]) != "spreed=available here, xmpp=away lunch" {
		t.Errorf("mark has %+v", got)
	}
	if got := to.Presences(mark).At(start.Add(2 * time.Hour)); len(got) != 2 {
		t.Errorf("after the end of what was set by hand there is %+v", got)
	}
	newer := exported[0]
	newer.Presence.Message, newer.Presence.Updated = "newer", newer.Presence.Updated+1
	older := exported[0]
	older.Presence.Message, older.Presence.Updated = "older", older.Presence.Updated-1
	if written, err := backup.Import(t.Context(), domain.Principal{}, []domain.Change{newer, older}); err != nil || written != 1 {
		t.Errorf("written %d, %v", written, err)
	}
	if p, _ := to.Presences(anna).On(web); p.Message != "newer" {
		t.Errorf("anna has %+v", p)
	}
	enough := errors.New("enough")
	if err := backup.Export(t.Context(), domain.Principal{}, func(domain.UserID, domain.Presence) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("Export = %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := backup.Export(ended, domain.Principal{}, func(domain.UserID, domain.Presence) error { return enough }); !errors.Is(err, context.Canceled) {
		t.Errorf("Export = %v after its context has ended", err)
	}
}

func export(t *testing.T, backup *app.Backup) (all []domain.Change) {
	t.Helper()
	err := backup.Export(t.Context(), domain.Principal{}, func(user domain.UserID, p domain.Presence) error {
		all = append(all, domain.Change{User: user, Presence: p})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
