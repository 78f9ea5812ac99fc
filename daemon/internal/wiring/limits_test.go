package wiring

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"

	"go.uber.org/fx"
)

// The limits of the configuration are those of the core.
func TestLimits(t *testing.T) {
	got := newLimits(Limits{MaxUsers: 1, MaxDevices: 2, MaxSourceBytes: 3 * setting.KiB}).Get()
	if want := (app.Limits{Users: 1, Devices: 2, SourceBytes: 3072}); got != want {
		t.Errorf("the limits are %+v, want %+v", got, want)
	}
}

// store.max_users goes for clients.
func TestMaxUsers(t *testing.T) {
	settings := settingsOf(t, append(environment(t, "spreed"), "PRESENCE_STORE__MAX_USERS=1"))
	var presence ports.Presence
	daemon := fx.New(options(settings, slog.New(slog.DiscardHandler)), fx.Populate(&presence), fx.NopLogger)
	if err := daemon.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Stop(context.Background()) }()
	set := func(user string) (err error) {
		for {
			err = presence.Update(t.Context(), domain.Principal{User: domain.UserID(user)}, []domain.Update{{User: user, Protocol: "spreed", Status: "busy"}})
			if !errors.Is(err, ports.ErrUnavailable) { // else it is being loaded
				return err
			}
		}
	}
	if err := errors.Join(set("markd@zarafa.com"), set("markd@zarafa.com")); err != nil {
		t.Error(err)
	}
	if err := set("alice@example.test"); !errors.Is(err, ports.ErrFull) {
		t.Errorf("a second user: %v", err)
	}
}
