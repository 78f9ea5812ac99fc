package command

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
)

const setLong = `Sets a user's status on a running daemon: available, busy, away or unavailable. On spreed, which is where it is set unless --protocol
says otherwise, it holds for spreed.auto_unavailable unless it is repeated. With --for or --until it is set on manual, wins over what
all other protocols say, and ends then; "zarafa-presence clear" ends it earlier.
`

// setFlags are those of set alone.
type setFlags struct {
	protocol, until string
	lasting         time.Duration
}

func (c *cli) set() *cobra.Command {
	var how setFlags
	command := &cobra.Command{
		Use:   "set [--config FILE] [--for DURATION | --until TIME] USER STATUS [MESSAGE]",
		Short: "Set a user's status on a running daemon",
		Long:  setLong,
		Example: `  zarafa-presence set markd@zarafa.com busy "in a meeting"
  zarafa-presence set --until 15:00 markd@zarafa.com busy "until three"`,
		Args: between(2, 3, "USER STATUS [MESSAGE], e.g. markd@zarafa.com busy"),
		RunE: func(command *cobra.Command, args []string) error {
			if !command.Flags().Changed("protocol") && (how.until != "" || command.Flags().Changed("for")) {
				how.protocol = wiring.ByHand.String()
			}
			return c.runSet(command, how, args)
		},
		ValidArgsFunction: completeStatus,
	}
	command.Flags().StringVar(&how.protocol, "protocol", "spreed", "the protocol on which to set it")
	command.Flags().DurationVar(&how.lasting, "for", 0, "how long it is to hold, e.g. 2h30m")
	command.Flags().StringVar(&how.until, "until", "", "until when it is to hold: the next 15:00, or 2026-12-24T15:00:00+01:00")
	command.MarkFlagsMutuallyExclusive("for", "until")
	return c.asking(command, "the user")
}

func completeStatus(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) != 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, status := range domain.Statuses() {
		names = append(names, status.String())
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (c *cli) runSet(command *cobra.Command, how setFlags, args []string) error {
	message := append(args, "")[2]
	status, err := domain.ParseStatus(args[1])
	if err := errors.Join(err, domain.CheckMessage(message)); err != nil {
		return coded(exitUsage, err)
	}
	until, err := how.end(command.Flags().Changed("for"), time.Now())
	if err != nil {
		return err
	}
	document, lasting := map[string]string{"status": status.String(), "message": message}, ""
	if !until.IsZero() {
		document["until"] = until.Format(time.RFC3339)
		lasting = " until " + until.Format("2006-01-02 15:04:05")
	}
	if err := c.change(command, http.MethodPut, args[0], how.protocol, document); err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "%s is %s on %s%s\n", args[0], status, how.protocol, lasting)
	return err
}

const clearLong = `Takes away what a user has set on a running daemon, so that the other protocols count again. Without --protocol that is what was
set by hand ("zarafa-presence set --for" or --until, or the board). If there is nothing it does nothing.
`

func (c *cli) clear() *cobra.Command {
	var protocol string
	command := &cobra.Command{
		Use:     "clear [--config FILE] USER",
		Short:   "Take away what a user has set on a running daemon",
		Long:    clearLong,
		Example: "  zarafa-presence clear markd@zarafa.com",
		Args:    between(1, 1, "a user, e.g. markd@zarafa.com"),
		RunE: func(command *cobra.Command, args []string) error {
			if err := c.change(command, http.MethodDelete, args[0], protocol, nil); err != nil {
				return err
			}
			_, err := fmt.Fprintf(command.OutOrStdout(), "%s has nothing set on %s\n", args[0], protocol)
			return err
		},
	}
	command.Flags().StringVar(&protocol, "protocol", wiring.ByHand.String(), "the protocol on which to take it away")
	return c.asking(command, "the user")
}

// change sends a request about a user's presence on a protocol, on behalf of the user.
func (c *cli) change(command *cobra.Command, method, user, protocol string, document any) error {
	if _, err := domain.ParseProtocol(protocol); err != nil {
		return usageError("--protocol: %w", err)
	}
	client, err := c.client(command, user)
	if err != nil {
		return err
	}
	_, err = client.ask(command.Context(), method, "v1/users/"+url.PathEscape(user)+"/"+protocol, document)
	return err
}

// end returns until when the status is to hold; the zero time if nothing was said of it.
func (f setFlags) end(lasting bool, now time.Time) (time.Time, error) {
	switch {
	case lasting && f.lasting <= 0:
		return time.Time{}, usageError("--for: must be more than zero, e.g. 2h30m; it is %v", f.lasting)
	case lasting:
		return now.Add(f.lasting), nil
	case f.until == "":
		return time.Time{}, nil
	}
	if clock, err := time.ParseInLocation("15:04", f.until, now.Location()); err == nil {
		at := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, now.Location())
		if !at.After(now) {
			at = time.Date(now.Year(), now.Month(), now.Day()+1, clock.Hour(), clock.Minute(), 0, 0, now.Location())
		}
		return at, nil
	}
	at, err := time.Parse(time.RFC3339, f.until)
	if err != nil {
		return time.Time{}, usageError("--until: %q is neither a time of day, e.g. 15:00, nor a date and time, e.g. 2026-12-24T15:00:00+01:00", f.until)
	}
	return at, nil
}
