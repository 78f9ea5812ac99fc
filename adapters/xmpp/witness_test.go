package xmpp

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/internal/xmpptest"
)

// When Prosody loads its privilege module anew it sends nothing more. The source says so, and gets the privilege back with the next login.
func TestPrivilegeModuleIsReloaded(t *testing.T) {
	server := xmpptest.Start(t, xmpptest.Prosody, xmpptest.Options{Seeing: xmpptest.Privilege})
	alice := server.Login(t, "alice", "laptop")
	source, log := newLoggedSource(t, server, nil)
	source.limits.check = 500 * time.Millisecond
	r := begin(t, source)
	r.wantSynced(t)
	r.want(t, "alice@example.test", "available")
	time.Sleep(5 * source.limits.check)
	select {
	case err := <-r.done:
		t.Fatalf("the privilege works, but Run returned %v", err)
	default:
	}

	source.log.Debug("now the module is reloaded")
	server.ReloadPrivilege(t)
	alice.Show("dnd", "unseen")
	if err := r.ends(t); !errors.Is(err, errBlind) {
		t.Errorf("Run returned %v\n%s", err, log)
	}
	w := watch(t, coretest.Start(t), source)
	w.want(t, "alice@example.test", "busy unseen")
	w.wantState(t, domain.SourceSynced)
	server.ReloadPrivilege(t)
	w.wantState(t, domain.SourceWaiting)
	if status := w.supervisor.Statuses()[0]; !strings.Contains(status.Error, "privilege") {
		t.Errorf("the source's status is %+v", status)
	}
	w.wantState(t, domain.SourceSynced)
	if text := w.log.String(); !strings.Contains(text, errBlind.Error()) {
		t.Errorf("it is not logged:\n%s", text)
	}
	alice.Show("away", "seen")
	w.want(t, "alice@example.test", "away seen")
}

// Without the privilege there is no second login.
func TestNoWitnessWithoutPrivilege(t *testing.T) {
	server := xmpptest.Start(t, xmpptest.Prosody, xmpptest.Options{})
	source, log := newLoggedSource(t, server, nil)
	source.limits.check = 50 * time.Millisecond
	r := begin(t, source)
	r.wantSynced(t)
	time.Sleep(500 * time.Millisecond)
	r.stop(t)
	if n := strings.Count(server.Log(), "Authenticated as "+server.JID(xmpptest.Observer)); n != 1 {
		t.Errorf("the account has logged in %d times, want once\n%s\n%s", n, server.Log(), log)
	}
}
