package domain_test

import (
	"errors"
	"testing"

	"github.com/zarafa/presence/domain"
)

// Every word is read as it is written, none stands there twice, and the numbers that the store has keep their meaning.
func TestActivities(t *testing.T) {
	names := domain.Activities()
	seen := map[domain.Activity]bool{domain.NoActivity: true}
	for _, name := range names {
		activity, err := domain.ParseActivity(name)
		if err != nil || activity.String() != name || seen[activity] || !activity.Known() {
			t.Errorf("ParseActivity(%q) = %v, %v", name, activity, err)
		}
		seen[activity] = true
	}
	if len(names) != 27 { // RFC 4480, 3.2, and none
		t.Errorf("there are %d words", len(names))
	}
	for number, name := range map[domain.Activity]string{0: "", 1: "on-the-phone", 2: "meeting", 3: "vacation", 4: "appointment", 27: "worship"} {
		if number.String() != name {
			t.Errorf("%d is %q, want %q", number, number, name)
		}
	}
	for _, name := range []string{"Meeting", "on the phone", "none", "meeting "} {
		if _, err := domain.ParseActivity(name); !errors.Is(err, domain.ErrUnknownActivity) {
			t.Errorf("ParseActivity(%q) = %v, want ErrUnknownActivity", name, err)
		}
	}
	if unknown := domain.Activity(28); unknown.Known() || unknown.String() != "Activity(28)" {
		t.Errorf("an impossible activity is called %q", unknown)
	}
}

// Entries of the precedence list are read as they are written, and say which others they make useless.
func TestPreferences(t *testing.T) {
	for _, text := range []string{"manual", "manual:busy", "asterisk:unavailable"} {
		if entry, err := domain.ParsePreference(text); err != nil || entry.String() != text {
			t.Errorf("ParsePreference(%q) = %v, %v", text, entry, err)
		}
	}
	for text, want := range map[string]error{"": domain.ErrInvalidProtocol, "Manual": domain.ErrInvalidProtocol, "manual:": domain.ErrUnknownStatus,
		"manual:dnd": domain.ErrUnknownStatus, "a:busy:b": domain.ErrUnknownStatus} {
		if _, err := domain.ParsePreference(text); !errors.Is(err, want) {
			t.Errorf("ParsePreference(%q) = %v, want %v", text, err, want)
		}
	}
	includes := map[[2]string]bool{
		{"manual", "manual:busy"}: true, {"manual", "manual"}: true, {"manual:busy", "manual:busy"}: true,
		{"manual:busy", "manual"}: false, {"manual:busy", "manual:away"}: false, {"manual", "xmpp"}: false,
	}
	for pair, want := range includes {
		first, _ := domain.ParsePreference(pair[0])
		second, _ := domain.ParsePreference(pair[1])
		if first.Includes(second) != want {
			t.Errorf("%s includes %s: %v, want %v", first, second, !want, want)
		}
	}
}

// An activity that changes is a change for those who see more than the status, and is not left by expiry.
func TestActivityIsShown(t *testing.T) {
	policy := domain.ExpiryPolicy{After: 10}
	calling := domain.Shown{Status: domain.Busy, Activity: domain.OnThePhone}
	p := domain.Presence{Protocol: spreed}.Observe(calling, policy, start)
	meeting := p.Observe(domain.Shown{Status: domain.Busy, Activity: domain.Meeting}, policy, start+1)
	if !p.Differs(meeting) || p.DiffersInStatus(meeting) || meeting.Since != start+1 {
		t.Errorf("%+v becomes %+v", p, meeting)
	}
	if again := p.Observe(calling, policy, start+1); p.Differs(again) {
		t.Errorf("%+v becomes %+v, which is a repetition", p, again)
	}
	if left := p.At(p.Expires + 1); left.Shown() != (domain.Shown{}) {
		t.Errorf("expiry leaves %+v", left)
	}
}
