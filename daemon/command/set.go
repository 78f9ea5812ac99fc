package command

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
)

func (c *cli) set() *cobra.Command {
	var wanted options
	command := c.asking(&cobra.Command{
		Use:   "set [--config FILE] [--for DURATION | --until TIME] [--invisible] USER STATUS [MESSAGE]",
		Short: "Set a user's status on a running daemon",
		Long: `Sets a user's status on a running daemon: available, busy, away or unavailable. It is set on manual, where it wins over what all
other protocols say, until "zarafa-presence clear", or until the end that --for or --until says. With --protocol it is set on another
protocol that clients set, for as long as that says. Then it prints the answer that the daemon gives now, and who decides.

With --invisible, which needs an end, others are shown the user as if every protocol had reported unavailable, whatever happens meanwhile.
The user, and services in auth.see_invisible, see what is so.
`,
		Example: `  zarafa-presence set markd@zarafa.com busy "in a meeting"
  zarafa-presence set --until 15:00 markd@zarafa.com busy "until three"
  zarafa-presence set --invisible --for 1h markd@zarafa.com busy`,
		Args: func(command *cobra.Command, args []string) error {
			if command.Flags().Changed("for") && command.Flags().Changed("until") {
				return errForAndUntil
			}
			if wanted.invisible && wanted.until.IsZero() {
				return usageError("--invisible needs an end: --for 1h, or --until 15:00")
			}
			return between(2, 3, "USER STATUS [MESSAGE], e.g. markd@zarafa.com busy")(command, args)
		},
		RunE: func(command *cobra.Command, args []string) error {
			return c.runSet(command, &wanted, args)
		},
		ValidArgsFunction: completeStatus,
	}, "the user")
	command.Flags().StringVar(&wanted.protocol, "protocol", wiring.ByHand.String(), "the protocol on which to set it")
	command.Flags().BoolVar(&wanted.invisible, "invisible", false, "others are to be shown the user as unavailable for as long")
	command.Flags().StringVar(&wanted.activity, "activity", "", "what the user is doing: a `WORD` of RFC 4480, e.g. meeting, on-the-phone or vacation")
	command.Flags().Func("for", "for this `DURATION` it is to hold, e.g. 2h30m", func(text string) (err error) {
		wanted.until, err = timeIn(time.Now(), text)
		return err
	})
	command.Flags().Func("until", "until this `TIME` it is to hold: the next 15:00, or 2026-12-24T15:00", func(text string) (err error) {
		wanted.until, err = timeAfter(time.Now(), text)
		return err
	})
	return command
}

// options are what set is to set beside a status and a message.
type options struct {
	protocol, activity string
	until              time.Time // zero: as long as the protocol says
	invisible          bool
}

func (c *cli) runSet(command *cobra.Command, wanted *options, args []string) error {
	message := append(args, "")[2]
	status, err := domain.ParseStatus(strings.ToLower(args[1]))
	doing, unknown := domain.ParseActivity(strings.ToLower(wanted.activity))
	if err := errors.Join(err, unknown, domain.CheckMessage(message)); err != nil {
		return coded(exitUsage, err)
	}
	document := map[string]any{"status": status.String(), "message": message}
	if doing != domain.NoActivity {
		document["activity"] = doing.String()
	}
	if !wanted.until.IsZero() {
		document["until"] = wanted.until.Format(time.RFC3339)
	}
	if wanted.invisible {
		document["invisible"] = true
	}
	user, err := c.presenceOf(command, args[0], wanted.protocol)
	if err != nil {
		return err
	}
	if _, err := user.ask(http.MethodPut, user.path(), document); err != nil {
		return err
	}
	now, err := user.answer()
	if err != nil {
		return fmt.Errorf("it is set, but what the daemon answers now is not known: %w", err)
	}
	return user.say(now, "")
}

func (c *cli) clear() *cobra.Command {
	var protocol string
	command := c.asking(&cobra.Command{
		Use:   "clear [--config FILE] USER",
		Short: "Take away what a user has set on a running daemon",
		Long: `Takes away what a user has set on a running daemon, so that the other protocols count again. Without --protocol that is what was
set by hand ("zarafa-presence set", or the board). If there is nothing it says so. Then it prints the answer that the daemon gives now.
`,
		Example: "  zarafa-presence clear markd@zarafa.com",
		Args:    between(1, 1, "a user, e.g. markd@zarafa.com"),
		RunE:    func(command *cobra.Command, args []string) error { return c.runClear(command, args[0], protocol) },
	}, "the user")
	command.Flags().StringVar(&protocol, "protocol", wiring.ByHand.String(), "the protocol on which to take it away")
	return command
}

func (c *cli) runClear(command *cobra.Command, id, protocol string) error {
	user, err := c.presenceOf(command, id, protocol)
	if err != nil {
		return err
	}
	before, err := user.answer()
	if err != nil {
		return err
	}
	if _, err := user.ask(http.MethodDelete, user.path(), nil); err != nil {
		return err
	}
	now, err := user.answer()
	if err != nil {
		return fmt.Errorf("it is taken away, but what the daemon answers now is not known: %w", err)
	}
	done := "taken away from " + protocol + "; "
	if _, there := before.Protocols[protocol]; !there {
		done = "nothing was set on " + protocol + "; "
	}
	return user.say(now, done)
}

// timeIn reads a duration, and returns when it is over.
func timeIn(now time.Time, text string) (time.Time, error) {
	lasting, err := time.ParseDuration(text)
	if err != nil || lasting <= 0 {
		err = errors.New("it must be a duration of more than zero, e.g. 2h30m")
	}
	return now.Add(lasting), err
}

// timeAfter reads a time of day, and returns when it is next, or a date and time.
func timeAfter(now time.Time, text string) (time.Time, error) {
	if clock, err := time.Parse("15:04", text); err == nil {
		for day := now.Day(); ; day++ {
			for _, at := range readings(time.Date(now.Year(), now.Month(), day, clock.Hour(), clock.Minute(), 0, 0, now.Location())) {
				if at.After(now) {
					return at, nil
				}
			}
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04"} { // in the zone of this machine
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, nil
		}
	}
	at, err := domain.ParseTime(text)
	if err != nil {
		err = errors.New("it is neither a time of day, e.g. 15:00, nor a date and time, e.g. 2026-12-24T15:00:00+01:00")
	}
	return at, err
}

// readings returns the moments at which clocks show the same as at the given one, the earliest first: they are two in the hour that autumn
// repeats.
func readings(at time.Time) []time.Time {
	all := []time.Time{at}
	_, offset := at.Zone()
	begin, end := at.ZoneBounds()
	for _, beyond := range []time.Time{begin.Add(-1), end} { // in the zone's neighbours; where there is none, the offset is as good as any
		_, other := beyond.Zone()
		again := at.Add(time.Duration(offset-other) * time.Second)
		if other != offset && again.Format(time.DateTime) == at.Format(time.DateTime) {
			all = append(all, again)
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}
