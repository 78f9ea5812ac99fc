package command

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/wiring"
)

func (c *cli) webhook() *cobra.Command {
	return &cobra.Command{
		Use:   "webhook test NAME",
		Short: "Send a test message to a webhook",
		Long: `Sends one message of the type presence.test to an entry of the key webhooks, signed as all are, and says what came back. It sends it
from this process, with the configuration that it reads; no daemon need run. The exit code is 0 if the receiver took the message.`,
		Example: "  zarafa-presence webhook test crm --config /etc/zarafa-presence/zarafa-presence.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 || args[0] != "test" {
				return errors.New("expected: webhook test NAME")
			}
			return nil
		},
		RunE:              func(command *cobra.Command, args []string) error { return c.runWebhookTest(command, args[1]) },
		ValidArgsFunction: c.completeWebhook,
	}
}

func (c *cli) runWebhookTest(command *cobra.Command, name string) error {
	settings, err := c.settings(command)
	if err != nil {
		return err
	}
	if err := settings.ValidateWebhook(name); err != nil {
		return coded(exitUsage, err)
	}
	result := settings.TestWebhook(command.Context(), name, slog.New(slog.DiscardHandler))
	text := saidBy(result)
	if result.Err != nil {
		return fmt.Errorf("%s: %w, after %v%s", name, result.Err, result.Took.Round(time.Millisecond), text)
	}
	_, err = fmt.Fprintln(command.OutOrStdout(), printable(fmt.Sprintf("%s: the receiver answered %d %s, after %v%s",
		name, result.Status, http.StatusText(result.Status), result.Took.Round(time.Millisecond), text)))
	return err
}

// saidBy returns the first line of an answer's body, and not too much of it.
func saidBy(result wiring.WebhookResult) string {
	const most = 200
	line, _, _ := strings.Cut(strings.TrimSpace(string(result.Body)), "\n")
	switch {
	case line == "":
		return ""
	case len(line) > most:
		line = strings.ToValidUTF8(line[:most], "") + "..."
	}
	return ": " + line
}

// completeWebhook completes test, and the names that the configuration has.
func (c *cli) completeWebhook(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return []string{"test"}, cobra.ShellCompDirectiveNoFileComp
	case 1:
		if settings, err := c.settings(command); err == nil {
			return slices.Sorted(slices.Values(settings.Webhooks())), cobra.ShellCompDirectiveNoFileComp
		}
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
