package command

import (
	"bytes"
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
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/domain"
)

const getLong = `Asks a running daemon who is available and prints a line for each user: the unified status, the protocol that decided, its
message, and the status on each protocol. With --json it prints an array of the users' documents as the API gives them.
`

func (c *cli) get() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:     "get [--config FILE] [--json] USER...",
		Short:   "Ask a running daemon who is available",
		Long:    getLong,
		Example: "  zarafa-presence get markd@zarafa.com\n  zarafa-presence get --json markd@zarafa.com | jq -r '.[].status'",
		Args:    between(1, 0, "users, e.g. markd@zarafa.com"),
		RunE:    func(command *cobra.Command, args []string) error { return c.runGet(command, args, asJSON) },
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c.asking(command, "the first user asked about")
}

func (c *cli) runGet(command *cobra.Command, users []string, asJSON bool) error {
	client, err := c.client(command, users...)
	if err != nil {
		return err
	}
	answer, err := client.ask(command.Context(), http.MethodPost, "v1/users:query", map[string]any{"users": users})
	if err != nil {
		return err
	}
	people, documents, err := readAnswer(answer)
	if err != nil {
		return client.strange(err)
	}
	if asJSON {
		return writeJSON(command.OutOrStdout(), documents)
	}
	return writeTable(command.OutOrStdout(), people)
}

// writeJSON prints a document. What a terminal would obey is escaped, which changes no value.
func writeJSON(w io.Writer, document []byte) error {
	var indented bytes.Buffer
	if err := json.Indent(&indented, document, "", "  "); err != nil {
		return err
	}
	indented.WriteByte('\n')
	_, err := w.Write(escapeTerminal(indented.Bytes()))
	return err
}

// escapeTerminal escapes in a JSON document what a terminal would obey, which changes no value.
func escapeTerminal(document []byte) []byte {
	escaped := make([]byte, 0, len(document))
	for _, r := range string(document) {
		if r != '\n' && unprintable(r) {
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		} else {
			escaped = utf8.AppendRune(escaped, r)
		}
	}
	return escaped
}

// person is what is shown of a user's document.
type person struct {
	User      string           `json:"user"`
	Status    string           `json:"status"`
	Message   string           `json:"message"`
	By        string           `json:"by"` // empty if no protocol knows the user
	Protocols map[string]state `json:"protocols"`
}

type state struct {
	Status string `json:"status"`
}

// readAnswer reads the document that a query is answered with, and returns the users' documents also as they are.
func readAnswer(answer []byte) ([]person, json.RawMessage, error) {
	var document struct{ Users json.RawMessage }
	if err := json.Unmarshal(answer, &document); err != nil {
		return nil, nil, err
	}
	if document.Users == nil {
		return nil, nil, errors.New("it has no users")
	}
	var people []person
	if err := json.Unmarshal(document.Users, &people); err != nil {
		return nil, nil, err
	}
	for i := range people {
		if err := people[i].check(); err != nil {
			return nil, nil, err
		}
	}
	return people, document.Users, nil
}

func (p *person) check() error {
	if _, err := domain.ParseUserID(p.User); err != nil {
		return err
	}
	if _, err := domain.ParseStatus(p.Status); err != nil {
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
	row := func(user, status, by string, ofProtocol func(string) string, message string) {
		cell := func(text, end string) { _, _ = fmt.Fprint(table, printable(cmp.Or(text, "-"))+end) } // Flush tells
		cell(user, "\t")
		cell(status, "\t")
		cell(by, "\t")
		for _, protocol := range protocols {
			cell(ofProtocol(protocol), "\t")
		}
		cell(message, "\n")
	}
	row("USER", "STATUS", "BY", strings.ToUpper, "MESSAGE")
	for _, p := range people {
		row(p.User, p.Status, p.By, func(protocol string) string { return p.Protocols[protocol].Status }, p.Message)
	}
	return table.Flush()
}
