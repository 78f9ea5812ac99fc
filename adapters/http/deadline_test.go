package http_test

import (
	"slices"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
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
		if got := http.ApplyDeadlines(slack, test.wanted...); !slices.EqualFunc(got, test.want, time.Time.Equal) {
			t.Errorf("%s: %v are set, want %v", test.name, got, test.want)
		}
	}
}

func TestSlackIsShortOfShortTimeouts(t *testing.T) {
	cfg := http.DefaultConfig()
	if got := cfg.Slack(); got != 100*time.Millisecond {
		t.Errorf("by default it is %v, want 100ms", got)
	}
	cfg.IdleTimeout = 160 * time.Millisecond
	if got := cfg.Slack(); got != 10*time.Millisecond {
		t.Errorf("with a time-out of 160ms it is %v, want 10ms", got)
	}
}
