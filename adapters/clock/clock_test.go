package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/domain"
)

func TestNowIsTheMachinesTime(t *testing.T) {
	before := domain.TimestampOf(time.Now())
	now := clock.New().Now()
	after := domain.TimestampOf(time.Now())
	if now < before || now > after {
		t.Errorf("Now() = %d, want between %d and %d", now, before, after)
	}
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

func TestNowDoesNotAllocate(t *testing.T) {
	c := clock.New()
	if n := testing.AllocsPerRun(100, func() { c.Now() }); n != 0 {
		t.Errorf("Now() allocates %v times", n)
	}
}
