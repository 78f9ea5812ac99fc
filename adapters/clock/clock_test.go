package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/domain"
)

// TestContract checks what ports.Clock promises.
func TestContract(t *testing.T) {
	c := clock.New()
	before := domain.TimestampOf(time.Now())
	now := c.Now()
	after := domain.TimestampOf(time.Now())
	if now < before || now > after {
		t.Errorf("Now = %v, want it between %v and %v", now.Time(), before.Time(), after.Time())
	}
	for deadline := time.Now().Add(10 * time.Second); c.Now() == now; {
		if time.Now().After(deadline) {
			t.Fatal("the clock stands still")
		}
	}
	if got := testing.AllocsPerRun(100, func() { c.Now() }); got != 0 {
		t.Errorf("%v allocations, want none", got)
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
