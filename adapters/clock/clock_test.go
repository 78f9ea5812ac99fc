package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
)

func TestContract(t *testing.T) {
	portstest.Clock(t, func(testing.TB) ports.Clock { return clock.New() })
}

func TestNowFollowsFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		start := c.Now()
		time.Sleep(90 * time.Minute)
		if got, want := c.Now(), start.Add(90*time.Minute); got != want {
			t.Errorf("after 90 minutes Now() = %d, want %d", got, want)
		}
	})
}
