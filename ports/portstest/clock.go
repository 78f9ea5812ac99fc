package portstest

import (
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Clock checks what ports.Clock promises, for a clock that tells the real time.
func Clock(t *testing.T, create func(t testing.TB) ports.Clock) {
	run(t, clockContract, create)
}

var clockContract = []contract[ports.Clock]{
	{"Now is the current time", func(t testing.TB, c ports.Clock) {
		before := domain.TimestampOf(time.Now())
		now := c.Now()
		after := domain.TimestampOf(time.Now())
		if now < before || now > after {
			t.Errorf("Now = %v, want it between %v and %v", now.Time(), before.Time(), after.Time())
		}
	}},
	{"time goes on", func(t testing.TB, c ports.Clock) {
		begin := c.Now()
		for deadline := time.Now().Add(patience); c.Now() == begin; {
			if time.Now().After(deadline) {
				t.Fatal("the clock stands still")
			}
		}
	}},
	{"Now does not allocate", func(t testing.TB, c ports.Clock) {
		if got := testing.AllocsPerRun(100, func() { c.Now() }); got != 0 {
			t.Errorf("%v allocations, want none", got)
		}
	}},
}
