package command

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/adapters/auth"
)

func (c *cli) key() *cobra.Command {
	var allows auth.Key
	command := &cobra.Command{
		Use:   "key NAME [--protocol PROTOCOL]... [--user USER]... [--read]",
		Short: "Make a static key for a program",
		Long: `Makes a key for a program that cannot make tokens, such as a dialplan. The first line is the key itself: it is shown once, for
only its hash is kept. The second line belongs into the configuration, below auth.keys. A reload then makes the key valid, and, when the
line is taken away, invalid. It reads no configuration.`,
		Example: `  zarafa-presence key pbx --protocol phone --user '*@example.test'`,
		Args:    between(1, 1, "a name, e.g. pbx"),
		RunE: func(command *cobra.Command, args []string) error {
			if err := auth.CheckKeyName(args[0]); err != nil {
				return coded(exitUsage, err)
			}
			var secret string
			allows.Name = args[0]
			secret, allows.Hash = auth.NewKey()
			_, err := fmt.Fprintf(command.OutOrStdout(), "%s\n- {name: %s, hash: %q, protocols: [%s], users: [%s], read: %t}\n",
				secret, allows.Name, allows.Hash, quoted(allows.Protocols), quoted(allows.Users), allows.Read)
			return err
		},
	}
	command.Flags().StringSliceVar(&allows.Protocols, "protocol", nil, "client `PROTOCOL` that the key may set")
	command.Flags().StringSliceVar(&allows.Users, "user", nil, "whose presences it may set: a `USER`, *@domain or group:NAME")
	command.Flags().BoolVar(&allows.Read, "read", false, "it may also ask about these users")
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
