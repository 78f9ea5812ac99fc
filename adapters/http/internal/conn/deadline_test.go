package conn

import (
	"slices"
	"testing"
	"time"
)

// TestDeadlinesAreSetOnlyWhenNeeded: never later than wanted, and sooner by no more than the slack.
func TestDeadlinesAreSetOnlyWhenNeeded(t *testing.T) {
	const slack = 100 * time.Millisecond
	start := time.Now()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	var never time.Time
	for _, test := range []struct {
		name         string
		wanted, want []time.Time
	}{
		{"none is wanted", []time.Time{never}, nil},
		{"nearly the same", []time.Time{at(time.Minute), at(time.Minute), at(time.Minute + slack)}, []time.Time{at(time.Minute)}},
		{"later", []time.Time{at(time.Minute), at(time.Minute + slack + 1)}, []time.Time{at(time.Minute), at(time.Minute + slack + 1)}},
		{"sooner", []time.Time{at(time.Minute), at(time.Minute - 1)}, []time.Time{at(time.Minute), at(time.Minute - 1)}},
		{"none any more", []time.Time{at(time.Minute), never, never}, []time.Time{at(time.Minute), never}},
		{"one again", []time.Time{at(time.Minute), never, at(time.Minute)}, []time.Time{at(time.Minute), never, at(time.Minute)}},
	} {
		if got := applyDeadlines(slack, test.wanted...); !slices.EqualFunc(got, test.want, time.Time.Equal) {
			t.Errorf("%s: %v are set, want %v", test.name, got, test.want)
		}
	}
}

// applyDeadlines tells which of the wanted deadlines are set, one after the other, when somebody waits after each.
func applyDeadlines(slack time.Duration, wanted ...time.Time) (set []time.Time) {
	var d deadline
	for _, d.wanted = range wanted {
		d.apply(slack, func(t time.Time) error { set = append(set, t); return nil })
	}
	return set
}

func TestSlackIsShortOfShortTimeouts(t *testing.T) {
	if got := Slack(5 * time.Second); got != 100*time.Millisecond {
		t.Errorf("with a time-out of 5s it is %v, want 100ms", got)
	}
	if got := Slack(160 * time.Millisecond); got != 10*time.Millisecond {
		t.Errorf("with a time-out of 160ms it is %v, want 10ms", got)
	}
}
