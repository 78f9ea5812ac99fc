package app_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
)

// TestSpellingsOfAnOldStoreBecomeOneUser: before the first answer. What was said last counts, on each protocol and device.
func TestSpellingsOfAnOldStoreBecomeOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		keep := func(user domain.UserID, p domain.Presence, status domain.Status) {
			t.Helper()
			time.Sleep(time.Second)
			next := p.Observe(domain.Shown{Status: status, Message: string(user)}, domain.ExpiryPolicy{}, clock.New().Now())
			if err := store.Apply(t.Context(), image.Write{User: user, Old: domain.Presence{Protocol: p.Protocol, Device: p.Device}, New: next}); err != nil {
				t.Fatal(err)
			}
		}
		laptop, err := domain.ParseDeviceID("laptop")
		if err != nil {
			t.Fatal(err)
		}
		onWeb, onLaptop, onChat := domain.Presence{Protocol: byHand}, domain.Presence{Protocol: byHand, Device: laptop}, domain.Presence{Protocol: chat}
		keep("alice@xn--bcher-kva.test", onWeb, domain.Busy) // as an earlier version did
		keep("alice@bu\u0308cher.test", onWeb, domain.Away)
		keep("alice@bücher.test", onWeb, domain.Available)
		keep("alice@xn--bcher-kva.test", onChat, domain.Away)
		keep("alice@bu\u0308cher.test", onLaptop, domain.Busy)
		keep("σας@example.test", onWeb, domain.Busy)
		keep(mark, onWeb, domain.Away)
		c, stop := serving(t, store, clock.New(), false)
		until(t, c)
		stop()
		if users := store.Users(); users != 3 {
			t.Errorf("%d users", users)
		}
		all := store.Presences("alice@bücher.test")
		web, _ := all.Of(byHand, domain.DeviceID{})
		lap, _ := all.Of(byHand, laptop)
		xmpp, _ := all.Of(chat, domain.DeviceID{})
		if len(all) != 3 || web.Status != domain.Available || lap.Status != domain.Busy || xmpp.Status != domain.Away || web.Message != "alice@bücher.test" {
			t.Errorf("%+v", all)
		}
		if p, there := store.Presences("σασ@example.test").On(byHand); !there || p.Status != domain.Busy || p.Updated == 0 {
			t.Errorf("σας is %+v", p)
		}
		if p, _ := store.Presences(mark).On(byHand); p.Revision != 7 {
			t.Errorf("who has one spelling has changed: %+v", p)
		}
		presence := newPresence(t, store, clock.New())
		for _, id := range []string{"Alice@XN--BCHER-KVA.test", "alice@BU\u0308CHER.test", "alice@bücher.test"} {
			if found, err := presence.Query(domain.Principal{}, []string{id}, nil); err != nil || len(found[0]) != 2 {
				t.Errorf("%s: %+v, %v", id, found, err)
			}
		}
	})
}
