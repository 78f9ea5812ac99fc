package command

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/wiring"
)

func (c *cli) key() *cobra.Command {
	var entry wiring.Key
	command := &cobra.Command{
		Use:   "key NAME [--protocol PROTOCOL]... [--user USER]... [--read]",
		Short: "Make a static key for a program",
		Long: `Makes a key for a program that cannot make tokens, such as a dialplan. The first line is the key itself: it is shown once, for
only its hash is kept. The second line belongs into the configuration, below auth.keys. A reload then makes the key valid, and, when the
line is taken away, invalid. Without --user, and --protocol or --read, the second line has gaps to fill in. It reads no configuration.`,
		Example: `  zarafa-presence key pbx --protocol phone --user '*@example.test'`,
		Args:    between(1, 1, "a name, e.g. pbx"),
		RunE: func(command *cobra.Command, args []string) error {
			entry.Name = args[0]
			secret, err := wiring.NewKey(&entry)
			if err != nil {
				return coded(exitUsage, err)
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "%s\n- {name: %s, hash: %q, protocols: [%s], users: [%s], read: %t}\n",
				secret, entry.Name, entry.Hash, quoted(entry.Protocols), quoted(entry.Users), entry.Read)
			if err == nil && (len(entry.Users) == 0 || len(entry.Protocols) == 0 && !entry.Read) {
				_, err = fmt.Fprintln(command.ErrOrStderr(), "the entry is not accepted yet: it needs users, and protocols or read: true")
			}
			return err
		},
	}
	command.Flags().StringSliceVar(&entry.Protocols, "protocol", nil, "client `PROTOCOL` that the key may set")
	command.Flags().StringSliceVar(&entry.Users, "user", nil, "whose presences it may set: a `USER`, *@domain or group:NAME")
	command.Flags().BoolVar(&entry.Read, "read", false, "it may also ask about these users")
	return command
}

// quoted writes texts as the elements of a list in YAML.
func quoted(texts []string) string {
	each := make([]string, len(texts))
	for i, text := range texts {
		each[i] = strconv.Quote(text)
	}
	return strings.Join(each, ", ")
}
