package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/domain"
)

func (c *cli) identities() *cobra.Command {
	return &cobra.Command{
		Use:   "identities [--config FILE] [PROTOCOL NAME...]",
		Short: "Check who is called what on other systems",
		Long: `Checks the keys identities and identities_file as they are in the configuration now. With a protocol and names it prints which user
each name is, or - if it is nobody's. It does not ask a running daemon.
`,
		Example: "  zarafa-presence identities\n  zarafa-presence identities asterisk 4711@default",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				return usageError("a protocol and names are needed, e.g. asterisk 4711@default")
			}
			return nil
		},
		RunE: c.runIdentities,
	}
}

func (c *cli) runIdentities(command *cobra.Command, args []string) error {
	settings, err := c.settings(command)
	if err != nil {
		return err
	}
	table, err := settings.General.ReadIdentities()
	if err != nil {
		return coded(exitUsage, err)
	}
	if len(args) == 0 {
		_, err = fmt.Fprintln(command.OutOrStdout(), plural(table.Size(), "record")+", no fault")
		return err
	}
	protocol, err := domain.ParseProtocol(args[0])
	if err != nil {
		return coded(exitUsage, err)
	}
	var out strings.Builder
	for _, name := range args[1:] {
		user, known := table.User(protocol, name)
		if !known {
			user = "-"
		}
		_, _ = fmt.Fprintln(&out, printable(name+" "+string(user))) // it never fails
	}
	_, err = io.WriteString(command.OutOrStdout(), out.String())
	return err
}
