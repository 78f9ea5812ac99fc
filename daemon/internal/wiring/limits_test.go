package wiring

import (
	"testing"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/setting"
)

// The limits of the configuration are those of the core.
func TestLimits(t *testing.T) {
	got := newCore(nil, nil, Limits{MaxUsers: 1, MaxDevices: 2, MaxSourceBytes: 3 * setting.KiB}).Limits.Get()
	if want := (app.Limits{Users: 1, Devices: 2, SourceBytes: 3072}); got != want {
		t.Errorf("the limits are %+v, want %+v", got, want)
	}
}
