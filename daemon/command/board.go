package command

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zarafa/presence/daemon/internal/wiring"
)

func (c *cli) board() *cobra.Command {
	var quickstart string
	command := &cobra.Command{
		Use:   "board [--config FILE] [USER]",
		Short: "Print a link to the board",
		Long: `Prints a link that opens the board and signs a user in, without USER the first of auth.services. The link works once, within 30
seconds, because a browser keeps it in its history. No daemon is asked: the link is made with the configured secret. It accepts every flag of
serve.`,
		Example: "  zarafa-presence board intranet@example.test\n  zarafa-presence board --quickstart ./run",
		Args:    between(0, 1, "at most one user, e.g. markd@zarafa.com"),
		RunE: func(command *cobra.Command, args []string) error {
			if quickstart != "" {
				if err := useMadeSecret(command.Flags(), quickstart); err != nil {
					return err
				}
				c.file = os.DevNull // not the usual one
			}
			settings, err := c.settings(command)
			if err == nil {
				err = coded(exitUsage, settings.Validate("auth", "http"))
			}
			if err != nil {
				return err
			}
			user := cmp.Or(slices.Concat(args, settings.Auth.Services)...)
			if user == "" {
				return usageError("auth.services lists no service: name one there, or a user here")
			}
			daemon, err := settings.HTTP.URL()
			if err != nil {
				return coded(exitUsage, err)
			}
			if daemon = cmp.Or(c.url, daemon); !isWeb(daemon) {
				return usageError("no browser finds a daemon at %s: say with --url where it does, e.g. https://presence.example.test/", daemon)
			}
			link, err := boardLink(settings, daemon, user)
			if err == nil {
				_, err = fmt.Fprintln(command.OutOrStdout(), link)
			}
			return err
		},
	}
	command.Flags().StringVar(&c.url, "url", "", "where the browser finds the daemon, e.g. https://presence.example.test/")
	command.Flags().StringVar(&quickstart, "quickstart", "", "the `DIR` of serve --quickstart")
	return command
}

// isWeb reports whether a text is an address for browsers.
func isWeb(text string) bool { return isAddress(text) && !strings.HasPrefix(text, unixPrefix) }

// useMadeSecret is useQuickstart for a directory that serve has made.
func useMadeSecret(flags *pflag.FlagSet, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "secret")); err != nil {
		return usageError("--quickstart: serve has not been started with this directory: %w", err)
	}
	return useQuickstart(flags, dir)
}

// boardLink makes a link to the board of a daemon that signs a user in, once. Whatever keeps it from that is a usage error.
func boardLink(settings *wiring.Settings, daemon, user string) (string, error) {
	tokens, id, err := tokensFor(settings, user)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(daemon, "/") + "/board#code=" + url.QueryEscape(tokens.IssueCode(id)), nil
}
