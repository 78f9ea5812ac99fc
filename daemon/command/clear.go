package command

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
)

const clearLong = `Takes away what a user has set on a running daemon, so that the other protocols count again. Without --protocol that is what was set by hand
("zarafa-presence set --for" or --until, or the board). If there is nothing it does nothing.
`

func (c *cli) clear() *cobra.Command {
	var flags clientFlags
	var protocol string
	command := &cobra.Command{
		Use:     "clear [--config FILE] USER",
		Short:   "Take away what a user has set on a running daemon",
		Long:    clearLong + fmt.Sprintf(clientLong, " for the user"),
		Example: "  zarafa-presence clear markd@zarafa.com",
		Args:    between(1, 1, "a user, e.g. markd@zarafa.com"),
		RunE: func(command *cobra.Command, args []string) error {
			user, err := domain.ParseUserID(args[0])
			if err != nil {
				return coded(exitUsage, err)
			}
			if _, err := domain.ParseProtocol(protocol); err != nil {
				return usageError("--protocol: %w", err)
			}
			client, err := c.client(command, flags, user)
			if err != nil {
				return err
			}
			if err := client.change(command.Context(), http.MethodDelete, args[0], protocol, nil); err != nil {
				return err
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "%s has nothing set on %s\n", args[0], protocol)
			return err
		},
	}
	command.Flags().StringVar(&protocol, "protocol", wiring.ByHand.String(), "the protocol on which to take it away")
	flags.add(command, "the one whose status is taken away")
	return c.addKeys(command, false)
}
