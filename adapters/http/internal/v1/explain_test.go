package v1

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/zarafa/presence/domain"
)

// The explanation is a part of the document, and says what every protocol says, which rule decided, and what comes next.
func TestExplanation(t *testing.T) {
	manual, calendar, spreed, xmpp := domain.MustProtocol("manual"), domain.MustProtocol("calendar"), domain.MustProtocol("spreed"), domain.MustProtocol("xmpp")
	list := domain.Precedence{{Protocol: manual, Any: true}, {Protocol: calendar, Status: domain.Away}}
	const at = 1_795_442_400_000_000_000
	meeting := domain.Presence{Protocol: calendar, Status: domain.Busy, Activity: domain.Meeting, Message: "plan \"B\"", Since: at, Expires: at + 60_000_000_000, Fixed: true, Vanishes: true}
	online := domain.Presence{Protocol: xmpp, Status: domain.Available, Since: at, Stale: true}
	beating := domain.Presence{Protocol: spreed, Status: domain.Available, Since: at, Expires: at + 120_000_000_000}
	tests := []struct {
		ps   domain.Presences
		want []string
	}{
		{nil, []string{"The user is unavailable, because no protocol knows the user."}},
		{domain.Presences{meeting, online}, []string{
			`calendar says busy (meeting) "plan \"B\"" since 2026-11-23T14:00:00.000Z, up to 2026-11-23T14:01:00.000Z.`,
			"xmpp says available since 2026-11-23T14:00:00.000Z; the connection to the source is lost, so this may no longer be true.",
			"So the user is busy, because calendar says the strongest status.",
			"After 2026-11-23T14:01:00.000Z the user is available, by xmpp, if nothing else changes.",
		}},
		{domain.Presences{meeting}, []string{
			`calendar says busy (meeting) "plan \"B\"" since 2026-11-23T14:00:00.000Z, up to 2026-11-23T14:01:00.000Z.`,
			"So the user is busy, because only calendar knows the user.",
			"After 2026-11-23T14:01:00.000Z no protocol knows the user any more, if nothing else changes.",
		}},
		{domain.Presences{{Protocol: calendar, Status: domain.Away, Since: at}, online}, []string{
			"calendar says away since 2026-11-23T14:00:00.000Z.",
			"xmpp says available since 2026-11-23T14:00:00.000Z; the connection to the source is lost, so this may no longer be true.",
			"So the user is away, because calendar:away stands first of what matches in the configured precedence.",
		}},
		{domain.Presences{beating, online}, []string{
			"spreed says available since 2026-11-23T14:00:00.000Z, up to 2026-11-23T14:02:00.000Z unless it is renewed.",
			"xmpp says available since 2026-11-23T14:00:00.000Z; the connection to the source is lost, so this may no longer be true.",
			"So the user is available, because of those that say so at the same moment spreed is the first by its name.",
		}},
	}
	for text, state := range map[string]domain.State{
		"The user is busy. You see no more of this user than the status.": {Unified: domain.Unified{Status: domain.Busy}, StatusOnly: true},
		"The user is unavailable, because no protocol knows the user.\n" +
			"The user is invisible: others are shown what they would see if every protocol had reported unavailable when that began.": {Invisible: true},
	} {
		if got := strings.Join(explain(&state), "\n"); got != text {
			t.Errorf("got\n%s\nwant\n%s", got, text)
		}
	}
	for _, test := range tests {
		state := domain.State{Presences: test.ps, Unified: list.Unify(test.ps), Next: list.Next(test.ps, at)}
		var document struct {
			Status      string
			Explanation []string
		}
		text := appendExplanation(AppendUser(nil, "markd@zarafa.com", &state), &state)
		if err := json.Unmarshal(text, &document); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got, want := strings.Join(document.Explanation, "\n"), strings.Join(test.want, "\n"); got != want || document.Status != state.Unified.Status.String() {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}
