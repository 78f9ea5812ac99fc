package command

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
)

func (c *cli) set() *cobra.Command {
	var protocol string
	var until time.Time // zero: as long as the protocol says
	command := c.asking(&cobra.Command{
		Use:   "set [--config FILE] [--for DURATION | --until TIME] USER STATUS [MESSAGE]",
		Short: "Set a user's status on a running daemon",
		Long: `Sets a user's status on a running daemon: available, busy, away or unavailable. On spreed, which is where it is set unless --protocol
says otherwise, it holds for spreed.auto_unavailable unless it is repeated. With --for or --until it is set on manual, wins over what
all other protocols say, and ends then; "zarafa-presence clear" ends it earlier.
`,
		Example: `  zarafa-presence set markd@zarafa.com busy "in a meeting"
  zarafa-presence set --until 15:00 markd@zarafa.com busy "until three"`,
		Args: between(2, 3, "USER STATUS [MESSAGE], e.g. markd@zarafa.com busy"),
		RunE: func(command *cobra.Command, args []string) error {
			if !command.Flags().Changed("protocol") && !until.IsZero() {
				protocol = wiring.ByHand.String()
			}
			return c.runSet(command, protocol, until, args)
		},
		ValidArgsFunction: completeStatus,
	}, "the user")
	command.Flags().StringVar(&protocol, "protocol", "spreed", "the protocol on which to set it")
	command.Flags().Func("for", "for this `DURATION` it is to hold, e.g. 2h30m", func(text string) (err error) {
		until, err = timeIn(time.Now(), text)
		return err
	})
	command.Flags().Func("until", "until this `TIME` it is to hold: the next 15:00, or 2026-12-24T15:00:00+01:00", func(text string) (err error) {
		until, err = timeAfter(time.Now(), text)
		return err
	})
	command.MarkFlagsMutuallyExclusive("for", "until")
	return command
}

func completeStatus(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	for _, status := range domain.Statuses() {
		if len(args) == 1 {
			names = append(names, status.String())
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (c *cli) runSet(command *cobra.Command, protocol string, until time.Time, args []string) error {
	message := append(args, "")[2]
	status, err := domain.ParseStatus(args[1])
	if err := errors.Join(err, domain.CheckMessage(message)); err != nil {
		return coded(exitUsage, err)
	}
	document, lasting := map[string]string{"status": status.String(), "message": message}, ""
	if !until.IsZero() {
		document["until"] = until.Format(time.RFC3339)
		lasting = " until " + until.Format(time.DateTime)
	}
	if err := c.change(command, http.MethodPut, args[0], protocol, document); err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "%s is %s on %s%s\n", args[0], status, protocol, lasting)
	return err
}

func (c *cli) clear() *cobra.Command {
	var protocol string
	command := c.asking(&cobra.Command{
		Use:   "clear [--config FILE] USER",
		Short: "Take away what a user has set on a running daemon",
		Long: `Takes away what a user has set on a running daemon, so that the other protocols count again. Without --protocol that is what was
set by hand ("zarafa-presence set --for" or --until, or the board). If there is nothing it does nothing.
`,
		Example: "  zarafa-presence clear markd@zarafa.com",
		Args:    between(1, 1, "a user, e.g. markd@zarafa.com"),
		RunE: func(command *cobra.Command, args []string) error {
			err := c.change(command, http.MethodDelete, args[0], protocol, nil)
			if err == nil {
				_, err = fmt.Fprintf(command.OutOrStdout(), "%s has nothing set on %s\n", args[0], protocol)
			}
			return err
		},
	}, "the user")
	command.Flags().StringVar(&protocol, "protocol", wiring.ByHand.String(), "the protocol on which to take it away")
	return command
}

// change sends a request about a user's presence on a protocol, on behalf of the user.
func (c *cli) change(command *cobra.Command, method, user, protocol string, document any) error {
	if _, err := domain.ParseProtocol(protocol); err != nil {
		return usageError("--protocol: %w", err)
	}
	client, err := c.client(command, user)
	if err == nil {
		_, err = client.ask(command.Context(), method, "v1/users/"+url.PathEscape(user)+"/"+protocol, document)
	}
	return err
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
