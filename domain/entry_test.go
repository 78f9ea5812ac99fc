package domain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

func TestNewStatusEntry(t *testing.T) {
	got, err := domain.NewStatusEntry("Lunch", "away", "meal", time.Hour)
	if want := (domain.StatusEntry{Label: "Lunch", Status: domain.Away, Activity: mustActivity(t, "meal"), For: time.Hour}); got != want || err != nil {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := domain.NewStatusEntry(strings.Repeat("ü", domain.MaxLabel), "busy", "", 0); err != nil {
		t.Errorf("the longest label: %v", err)
	}
	for _, test := range []struct {
		label, status, activity string
		lasts                   time.Duration
		want                    string
	}{
		{"", "busy", "", 0, "label: must be a line of at most 40 characters"},
		{" Lunch", "busy", "", 0, "label: "},
		{"a\nb", "busy", "", 0, "label: "},
		{"a\xff", "busy", "", 0, "label: "},
		{strings.Repeat("ü", domain.MaxLabel+1), "busy", "", 0, "label: "},
		{"Lunch", "lunch", "", 0, `status: unknown status "lunch"`},
		{"Lunch", "", "", 0, `status: unknown status ""`},
		{"Lunch", "busy", "eating", 0, `activity: unknown activity "eating"`},
		{"Lunch", "busy", "", -time.Second, "for: must be from 1s to 8784h0m0s in whole seconds, or 0s for no end; it is -1s"},
		{"Lunch", "busy", "", 1500 * time.Millisecond, "for: "},
		{"Lunch", "busy", "", domain.MaxEntryFor + time.Second, "for: "},
	} {
		if _, err := domain.NewStatusEntry(test.label, test.status, test.activity, test.lasts); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

func mustActivity(t *testing.T, name string) domain.Activity {
	t.Helper()
	activity, err := domain.ParseActivity(name)
	if err != nil {
		t.Fatal(err)
	}
	return activity
}
