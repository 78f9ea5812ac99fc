package command

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/wiring"
)

const clearLong = `Takes away what a user has set on a running daemon, so that the other protocols count again. Without --protocol that is what was set by hand
("zarafa-presence set --for" or --until, or the board). If there is nothing it does nothing.
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
