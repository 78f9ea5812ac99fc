package command

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) why() *cobra.Command {
	return c.asking(&cobra.Command{
		Use:   "why [--config FILE] USER",
		Short: "Ask a running daemon why a user is shown as it is",
		Long: `Asks a running daemon what every protocol says of a user, which rule decided between them, and what comes next and when.
`,
		Example: "  zarafa-presence why markd@zarafa.com",
		Args:    between(1, 1, "a user, e.g. markd@zarafa.com"),
		RunE:    func(command *cobra.Command, args []string) error { return c.runWhy(command, args[0]) },
	}, "the user")
}

func (c *cli) runWhy(command *cobra.Command, user string) error {
	client, err := c.client(command, user)
	if err != nil {
		return err
	}
	answer, err := client.ask(command.Context(), http.MethodGet, "v1/users/"+url.PathEscape(user)+"?explain=1", nil)
	if err != nil {
		return err
	}
	var document struct {
		Explanation []string `json:"explanation"`
	}
	if err := json.Unmarshal(answer, &document); err != nil {
		return client.strange(err)
	}
	var out strings.Builder
	for _, sentence := range document.Explanation {
		out.WriteString(printable(sentence) + "\n")
	}
	_, err = io.WriteString(command.OutOrStdout(), out.String())
	return err
}
