package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/domain"
)

const setLong = `Sets a user's status on a running daemon: available, busy, away or unavailable. On spreed it holds for spreed.auto_unavailable
unless it is repeated.
`

func (c *cli) set() *cobra.Command {
	var flags clientFlags
	var protocol string
	command := &cobra.Command{
		Use:     "set [--config FILE] USER STATUS [MESSAGE]",
		Short:   "Set a user's status on a running daemon",
		Long:    setLong + fmt.Sprintf(clientLong, " for the user"),
		Example: `  zarafa-presence set markd@zarafa.com busy "in a meeting"`,
		Args:    between(2, 3, "USER STATUS [MESSAGE], e.g. markd@zarafa.com busy"),
		RunE: func(command *cobra.Command, args []string) error {
			return c.runSet(command, flags, protocol, args)
		},
		ValidArgsFunction: completeStatus,
	}
	command.Flags().StringVar(&protocol, "protocol", "spreed", "the protocol on which to set it")
	flags.add(command, "the one whose status is set")
	return addKeys(command, false)
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

func (c *cli) runSet(command *cobra.Command, flags clientFlags, protocol string, args []string) error {
	message := ""
	if len(args) == 3 {
		message = args[2]
	}
	user, err := domain.ParseUserID(args[0])
	if err != nil {
		return coded(exitUsage, err)
	}
	status, err := domain.ParseStatus(args[1])
	if err != nil {
		return coded(exitUsage, err)
	}
	if err := domain.CheckMessage(message); err != nil {
		return coded(exitUsage, err)
	}
	if _, err := domain.ParseProtocol(protocol); err != nil {
		return usageError("--protocol: %w", err)
	}
	client, err := c.client(command, flags, user)
	if err != nil {
		return err
	}
	entry := map[string]any{"user_id": args[0], protocol: state{Status: status.String(), Message: message}}
	if _, err := client.do(command.Context(), http.MethodPut, []map[string]any{entry}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "%s is %s on %s\n", args[0], status, protocol)
	return err
}
