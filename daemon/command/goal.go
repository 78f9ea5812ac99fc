package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/domain"
)

// goal is a status that watch waits for, and for how long.
type goal struct {
	until   string // the word for the status; empty: it waits for none
	timeout time.Duration
}

var (
	errReached   = errors.New("a user has the status")
	errGaveUp    = errors.New("the time is over")
	errNoUntil   = errors.New("--timeout needs --until")
	errNoTimeout = errors.New("--timeout must be a duration of more than zero, e.g. 30m")
)

func (g *goal) flags(command *cobra.Command) {
	command.Flags().StringVar(&g.until, "until", "", "end as soon as one of the users has this `STATUS`, e.g. available")
	command.Flags().DurationVar(&g.timeout, "timeout", 0, "with --until: end after this `DURATION` at the latest, with exit code 5, e.g. 30m")
}

// check reports what is wrong with the flags.
func (g *goal) check(command *cobra.Command) error {
	if command.Flags().Changed("until") {
		if _, err := domain.ParseStatus(g.until); err != nil {
			return fmt.Errorf("--until: %w", err)
		}
	}
	switch limited := command.Flags().Changed("timeout"); {
	case limited && g.until == "":
		return errNoUntil
	case limited && g.timeout <= 0:
		return errNoTimeout
	}
	return nil
}

// set reports whether there is something to wait for.
func (g *goal) set() bool { return g.until != "" }

// limit returns a context that ends when the time is over, with the cause errGaveUp.
func (g *goal) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if g.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, g.timeout, errGaveUp)
}

// reached reports whether a user has the status, and that is still true.
func (g *goal) reached(user *person) bool { return g.set() && user.Status == g.until && !user.Stale }

// missed returns the error for a context that has ended before anybody had the status: nil if there is nothing to wait for.
func (g *goal) missed(ctx context.Context) error {
	switch {
	case !g.set():
		return nil
	case errors.Is(context.Cause(ctx), errGaveUp):
		return coded(exitTimeout, fmt.Errorf("nobody was %s within %v", g.until, g.timeout))
	}
	return fmt.Errorf("interrupted before anybody was %s", g.until)
}
