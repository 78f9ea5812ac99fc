package command

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/domain"
)

func (c *cli) why() *cobra.Command {
	return c.asking(&cobra.Command{
		Use:   "why [--config FILE] USER",
		Short: "Ask a running daemon why a user is shown as it is",
		Long: `Asks a running daemon what every protocol says of a user, which rule decided between them, and what comes next and when.

With --as it says what that viewer sees, and which rule of visibility decides how much. It asks for that on behalf of the first of
auth.services that auth.see_invisible lists, or else of the first of them; but never on behalf of the viewer, who is not told rules.
`,
		Example: `  zarafa-presence why markd@zarafa.com
  zarafa-presence why --as linda@zarafa.com markd@zarafa.com`,
		Args: between(1, 1, "a user, e.g. markd@zarafa.com"),
		RunE: func(command *cobra.Command, args []string) error { return c.runWhy(command, args[0]) },
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
	if err = say(command, document.Explanation); err != nil || c.as == "" || c.shown != "" {
		return err
	}
	return c.tellRule(command, client, user)
}

// say prints sentences, a line each.
func say(command *cobra.Command, sentences []string) error {
	var out strings.Builder
	for _, sentence := range sentences {
		out.WriteString(printable(sentence) + "\n")
	}
	_, err := io.WriteString(command.OutOrStdout(), out.String())
	return err
}

// tellRule prints which rule decides what the viewer of --as sees of a user, as far as there are rules.
func (c *cli) tellRule(command *cobra.Command, client *client, user string) error {
	settings, err := c.settings(command)
	if err != nil {
		return err
	}
	service, err := serviceBeside(settings, c.as)
	if err != nil {
		return err
	}
	if service == "" {
		if len(settings.General.Visibility) > 0 {
			_, err = fmt.Fprintf(command.ErrOrStderr(), "zarafa-presence: which rule of visibility decides is told to services other than %s alone, and auth.services has none\n", c.as)
		}
		return err
	}
	asker := *client
	if asker.token, err = issue(settings, service); err != nil {
		return err
	}
	viewer := strings.ReplaceAll(url.QueryEscape(c.as), "+", "%20") // a plus sign stands for itself
	answer, err := asker.ask(command.Context(), http.MethodGet, "v1/users/"+url.PathEscape(user)+"?explain=1&viewer="+viewer, nil)
	if err != nil {
		return err
	}
	var document struct {
		Visibility decision `json:"visibility"`
	}
	if err := json.Unmarshal(answer, &document); err != nil {
		return client.strange(err)
	}
	return say(command, document.Visibility.sentences(user))
}

// decision is which rule of visibility decides what a viewer sees of a user.
type decision struct {
	Viewer    string `json:"viewer"`
	Sees      string `json:"sees"`
	Reason    string `json:"reason"` // empty: there are no rules
	Rule      int    `json:"rule"`
	Invisible bool   `json:"invisible"` // the user is, and the viewer does not see through that
}

// sentences says it for a person. Without rules it says nothing of them.
func (d *decision) sentences(user string) (all []string) {
	sees := map[string]string{"all": "all", "status": "the status alone", "nothing": "nothing"}[d.Sees]
	switch d.Reason {
	case domain.DecidedByRule.String():
		all = append(all, fmt.Sprintf("%s sees %s: rule %d of visibility.", d.Viewer, sees, d.Rule))
	case domain.DecidedByNoRule.String():
		all = append(all, fmt.Sprintf("%s sees %s: no rule of visibility matches.", d.Viewer, sees))
	case domain.DecidedBySelf.String():
		all = append(all, fmt.Sprintf("%s sees %s, as everybody does of themselves.", d.Viewer, sees))
	}
	if d.Invisible {
		all = append(all, fmt.Sprintf("%s is invisible, so %s is shown the user as unavailable.", user, d.Viewer))
	}
	return all
}
