package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

func (c *cli) token() *cobra.Command {
	return &cobra.Command{
		Use:   "token [--config FILE] USER",
		Short: "Print a token for a user",
		Long: `Prints a token for a user, made with the configured secret (auth.secret or auth.secret_file) and valid for auth.token_expire
from now on. It accepts every flag of serve.`,
		Example: "  zarafa-presence token markd@zarafa.com",
		Args:    between(1, 1, "a user, e.g. markd@zarafa.com"),
		RunE: func(command *cobra.Command, args []string) error {
			settings, err := c.settings(command)
			if err != nil {
				return err
			}
			token, err := issue(settings, args[0])
			if err == nil {
				_, err = fmt.Fprintln(command.OutOrStdout(), token)
			}
			return err
		},
	}
}

// issue makes a token. Whatever keeps it from that is a usage error.
func issue(settings *wiring.Settings, user string) (string, error) {
	tokens, id, err := tokensFor(settings, user)
	if err != nil {
		return "", err
	}
	return tokens.Issue(id), nil
}

// tokensFor returns what makes tokens, and a user's id. Whatever keeps it from that is a usage error.
func tokensFor(settings *wiring.Settings, user string) (ports.Tokens, domain.UserID, error) {
	id, err := domain.ParseUserID(user)
	if err := errors.Join(err, settings.Validate("auth")); err != nil {
		return nil, "", coded(exitUsage, err)
	}
	tokens, err := settings.Tokens()
	return tokens, id, err
}
