package spreed_test

import (
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/spreed"
	"github.com/zarafa/presence/domain"
)

func TestNew(t *testing.T) {
	tests := []struct {
		after time.Duration
		fault string // empty: accepted
	}{
		{spreed.DefaultConfig().AutoUnavailable, ""},
		{time.Second, ""},
		{time.Nanosecond, "spreed.auto_unavailable: must be at least 1s, e.g. 2m; it is 1ns"},
		{999 * time.Millisecond, "must be at least 1s"},
		{0, "spreed.auto_unavailable: must be at least 1s, e.g. 2m; it is 0s"},
		{-time.Minute, "it is -1m0s"},
	}
	for _, test := range tests {
		t.Run(test.after.String(), func(t *testing.T) {
			updatable, err := spreed.New(spreed.Config{AutoUnavailable: test.after})
			if test.fault != "" {
				if err == nil || !strings.Contains(err.Error(), test.fault) {
					t.Fatalf("New: %v; want an error with %q", err, test.fault)
				}
				return
			}
			want := domain.ClientProtocol{Protocol: spreed.Protocol, Expiry: domain.ExpiryPolicy{After: test.after}}
			if err != nil || updatable != want {
				t.Fatalf("New = %+v, %v; want %+v", updatable, err, want)
			}
		})
	}
}

// The last moment at which a report holds is exactly AutoUnavailable after it: only more than that time ends it.
func TestExpiry(t *testing.T) {
	cfg := spreed.DefaultConfig()
	updatable, err := spreed.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	start := domain.Timestamp(1e18)
	p := domain.Presence{Protocol: spreed.Protocol}.Observe(domain.Shown{Status: domain.Busy, Message: "in a meeting"}, updatable.Expiry, start)
	if last := p.At(start.Add(cfg.AutoUnavailable)); last.Status != domain.Busy {
		t.Errorf("exactly %v after the update the status is %v, want busy", cfg.AutoUnavailable, last.Status)
	}
	if over := p.At(start.Add(cfg.AutoUnavailable + 1)); over.Status != domain.Unavailable || over.Message != "" {
		t.Errorf("a nanosecond later it is %v %q, want unavailable and no message", over.Status, over.Message)
	}
}
