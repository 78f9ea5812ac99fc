package app_test

import (
	"context"
	"slices"
	"testing"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
)

// TestImportTakesOverWhatIsNewer: whatever the order, and nothing twice.
func TestImportTakesOverWhatIsNewer(t *testing.T) {
	core := coretest.New(t)
	backup := app.NewBackup(core.Core)
	said := func(user domain.UserID, device, message string, updated domain.Timestamp) domain.Change {
		id, err := domain.ParseDeviceID(device)
		if err != nil {
			t.Fatal(err)
		}
		return domain.Change{User: user, Presence: domain.Presence{
			Protocol: coretest.Board, Device: id, Status: domain.Busy, Message: message, Since: 1, Updated: updated,
		}}
	}
	take := func(want int, changes ...domain.Change) {
		t.Helper()
		if taken, err := backup.Import(context.Background(), changes); err != nil || taken != want {
			t.Errorf("Import = %d, %v; want %d", taken, err, want)
		}
	}
	kept := func(user domain.UserID) (messages []string) {
		for _, p := range backup.Presences(user) {
			messages = append(messages, p.Device.String()+"="+p.Message)
		}
		return messages
	}
	take(3, said("b@example.test", "", "new", 5), said("a@example.test", "desk", "one", 5), said("a@example.test", "phone", "late", 7),
		said("b@example.test", "", "old", 4), said("a@example.test", "phone", "early", 6))
	take(0, said("b@example.test", "", "same time", 5), said("b@example.test", "", "older", 4))
	take(1, said("a@example.test", "desk", "two", 6), said("a@example.test", "phone", "late", 7))
	take(0)
	if users := backup.Users(); !slices.Equal(users, []domain.UserID{"a@example.test", "b@example.test"}) {
		t.Errorf("Users = %v", users)
	}
	if a, b := kept("a@example.test"), kept("b@example.test"); !slices.Equal(a, []string{"desk=two", "phone=late"}) || !slices.Equal(b, []string{"=new"}) {
		t.Errorf("there is %q, %q", a, b)
	}
}
