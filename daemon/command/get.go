package command

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/domain"
)

func (c *cli) get() *cobra.Command {
	var about named
	command := c.asking(&cobra.Command{
		Use:   "get [--config FILE] [--json] USER | group:NAME...",
		Short: "Ask a running daemon who is available",
		Long: `Asks a running daemon who is available and prints a line for each user: the unified status, the protocol that decided, its
activity and message, and the status on each protocol. group:NAME stands for the members of a group. With --json it prints an array of the
users' documents as the API gives them.
`,
		Example: `  zarafa-presence get markd@zarafa.com group:helpdesk
  zarafa-presence get --json markd@zarafa.com | jq -r '.[].status'`,
		Args: func(_ *cobra.Command, args []string) error {
			if about.take(args); about.count() == 0 {
				return errors.New("missing arguments: expected users, e.g. markd@zarafa.com, or groups, e.g. group:helpdesk")
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error { return c.runGet(command, about) },
	}, "the first user asked about, or "+firstService)
	command.Flags().BoolVar(&c.asJSON, "json", false, "print JSON")
	about.flag(command)
	return command
}

func (c *cli) runGet(command *cobra.Command, about named) error {
	client, err := c.client(command, about.users...)
	if err != nil {
		return err
	}
	asked := map[string][]string{"users": about.users, "groups": about.groups}
	maps.DeleteFunc(asked, func(_ string, names []string) bool { return len(names) == 0 })
	answer, err := client.ask(command.Context(), http.MethodPost, "v1/users:query", asked)
	if err != nil {
		return err
	}
	people, documents, err := readAnswer(answer)
	if err != nil {
		return client.strange(err)
	}
	if c.asJSON {
		return writeJSON(command.OutOrStdout(), documents)
	}
	return writeTable(command.OutOrStdout(), people)
}

// writeJSON prints a document.
func writeJSON(w io.Writer, document json.RawMessage) error {
	indented, err := json.MarshalIndent(document, "", "  ")
	if err == nil {
		_, err = fmt.Fprintln(w, escapeTerminal(string(indented)))
	}
	return err
}

// escapeTerminal escapes in a JSON document what a terminal would obey, which changes no value.
func escapeTerminal(document string) string {
	var escaped strings.Builder
	for _, r := range document {
		if r != '\n' && unprintable(r) {
			for _, unit := range utf16.AppendRune(nil, r) {
				_, _ = fmt.Fprintf(&escaped, `\u%04x`, unit) // it never fails
			}
		} else {
			escaped.WriteRune(r)
		}
	}
	return escaped.String()
}

// person is what is shown of a user's document.
type person struct {
	User      string           `json:"user"`
	Status    string           `json:"status"`
	Message   string           `json:"message"`
	Activity  string           `json:"activity"` // empty: nobody has said
	By        string           `json:"by"`       // empty if no protocol knows the user
	Since     *time.Time       `json:"since"`
	Stale     bool             `json:"stale"`
	Invisible bool             `json:"invisible"`
	Protocols map[string]state `json:"protocols"`
}

type state struct {
	Status  string     `json:"status"`
	Expires *time.Time `json:"expires"` // nil: it has no end
}

// text is what is said beside the status.
func (p *person) text() string {
	return strings.Join(slices.DeleteFunc([]string{p.Activity, p.Message}, func(s string) bool { return s == "" }), ": ")
}

// readAnswer reads the document that a query is answered with, and returns the users' documents also as they are.
func readAnswer(answer []byte) (people []person, documents json.RawMessage, err error) {
	var document struct{ Users json.RawMessage }
	if err := json.Unmarshal(answer, &document); err != nil {
		return nil, nil, err
	}
	if document.Users == nil {
		return nil, nil, errors.New("it has no users")
	}
	err = json.Unmarshal(document.Users, &people)
	for i := 0; i < len(people) && err == nil; i++ {
		err = people[i].check()
	}
	return people, document.Users, err
}

func (p *person) check() error {
	_, err := domain.ParseUserID(p.User)
	_, fault := domain.ParseStatus(p.Status)
	if err := cmp.Or(err, fault); err != nil {
		return fmt.Errorf("%s: %w", p.User, err)
	}
	for protocol, s := range p.Protocols {
		if _, err := domain.ParseStatus(s.Status); err != nil {
			return fmt.Errorf("%s of %s: %w", protocol, p.User, err)
		}
	}
	return nil
}

// writeTable prints a line for each person, and a column for each protocol that knows any of them.
func writeTable(w io.Writer, people []person) error {
	known := make(map[string]state)
	for _, p := range people {
		maps.Copy(known, p.Protocols)
	}
	protocols := slices.Sorted(maps.Keys(known))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(p *person, ofProtocol func(string) string) {
		cells := append(make([]string, 0, len(protocols)+4), p.User, p.Status, p.By)
		for _, protocol := range protocols {
			cells = append(cells, ofProtocol(protocol))
		}
		cells = append(cells, p.text())
		for i := range cells {
			cells[i] = printable(cmp.Or(cells[i], "-"))
		}
		_, _ = fmt.Fprintln(table, strings.Join(cells, "\t")) // Flush tells
	}
	row(&person{User: "USER", Status: "STATUS", By: "BY", Message: "MESSAGE"}, strings.ToUpper)
	for _, p := range people {
		row(&p, func(protocol string) string { return p.Protocols[protocol].Status })
	}
	return table.Flush()
}
