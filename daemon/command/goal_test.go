package command

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A status counts while it is surely true; the time is over when it is, and whoever interrupts has not got what was waited for.
func TestGoal(t *testing.T) {
	g := goal{until: "available", timeout: time.Minute}
	for _, test := range []struct {
		goal  goal
		user  person
		wants bool
	}{
		{g, person{Status: "available"}, true},
		{g, person{Status: "available", Stale: true}, false},
		{g, person{Status: "busy"}, false},
		{goal{until: "unavailable"}, person{Status: "unavailable"}, true},
		{goal{}, person{}, false},
	} {
		if got := test.goal.reached(&test.user); got != test.wants {
			t.Errorf("%+v is what %+v waits for: %v", test.user, test.goal, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := g.limit(t.Context())
		defer cancel()
		<-ctx.Done()
		if err := g.missed(ctx); exitCode(err) != exitTimeout || err.Error() != "nobody was available within 1m0s" {
			t.Errorf("after a minute: %v", err)
		}
	})
	interrupted, interrupt := context.WithCancel(t.Context())
	ctx, cancel := g.limit(interrupted)
	defer cancel()
	interrupt()
	if err := g.missed(ctx); exitCode(err) != exitFailed || err.Error() != "interrupted before anybody was available" {
		t.Errorf("interrupted: %v", err)
	}
	if err := new(goal).missed(ctx); err != nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("interrupted without a goal: %v, %v", err, ctx.Err())
	}
}

func TestNamed(t *testing.T) {
	n := named{flagged: []string{"sales"}}
	for range 2 { // cobra may check the arguments twice
		n.take([]string{"group:help desk", "markd@zarafa.com", "group:"})
	}
	if !slices.Equal(n.users, []string{"markd@zarafa.com"}) || !slices.Equal(n.groups, []string{"sales", "help desk", ""}) || n.count() != 4 {
		t.Errorf("%+v", n)
	}
}
