package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/domain"
)

const getLong = `Asks a running daemon who is available and prints a line for each user: the unified status, the protocol that decided, its
message, and the status on each protocol. With --json it prints an array with the same, the messages of each protocol included.
`

func (c *cli) get() *cobra.Command {
	var flags clientFlags
	var asJSON bool
	command := &cobra.Command{
		Use:     "get [--config FILE] [--json] USER...",
		Short:   "Ask a running daemon who is available",
		Long:    getLong + fmt.Sprintf(clientLong, " for the first user asked about"),
		Example: "  zarafa-presence get markd@zarafa.com\n  zarafa-presence get --json markd@zarafa.com | jq -r '.[].status'",
		Args:    between(1, 0, "users, e.g. markd@zarafa.com"),
		RunE: func(command *cobra.Command, args []string) error {
			return c.runGet(command, flags, args, asJSON)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	flags.add(command, "the first one asked about")
	return addKeys(command, false)
}

func (c *cli) runGet(command *cobra.Command, flags clientFlags, users []string, asJSON bool) error {
	entries := make([]map[string]any, len(users))
	for i, user := range users {
		if _, err := domain.ParseUserID(user); err != nil {
			return coded(exitUsage, err)
		}
		entries[i] = map[string]any{"user_id": user}
	}
	asking, err := domain.ParseUserID(users[0])
	if err != nil {
		return coded(exitUsage, err)
	}
	client, err := c.client(command, flags, asking)
	if err != nil {
		return err
	}
	answer, err := client.do(command.Context(), http.MethodGet, entries)
	if err != nil {
		return err
	}
	people, err := readAnswer(answer)
	if err != nil {
		return fmt.Errorf("%s does not answer like this daemon: %s", client.url, excerpt(err.Error()))
	}
	if asJSON {
		return writeJSON(command.OutOrStdout(), people)
	}
	return writeTable(command.OutOrStdout(), people)
}

// writeJSON prints an array of people. What encoding/json leaves as it is and a terminal would obey is escaped, which changes no value.
func writeJSON(w io.Writer, people []person) error {
	var document strings.Builder
	encoder := json.NewEncoder(&document)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(people); err != nil {
		return err
	}
	_, err := w.Write(escapeTerminal([]byte(document.String())))
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

// person is what the daemon says of one user, and what is printed as JSON.
type person struct {
	User      string           `json:"user_id"`
	Status    string           `json:"status"`
	Message   string           `json:"message"`
	By        string           `json:"by"` // empty if no protocol knows the user
	Protocols map[string]state `json:"protocols"`
}

type state struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// readAnswer reads the document that a GET is answered with. Every key of an entry but user_id is a protocol.
func readAnswer(answer []byte) ([]person, error) {
	var document struct {
		UserStatus []map[string]json.RawMessage
	}
	if err := json.Unmarshal(answer, &document); err != nil {
		return nil, err
	}
	if document.UserStatus == nil {
		return nil, errors.New("it has no UserStatus")
	}
	people := make([]person, len(document.UserStatus))
	for i, entry := range document.UserStatus {
		var err error
		if people[i], err = readPerson(entry); err != nil {
			return nil, err
		}
	}
	return people, nil
}

func readPerson(entry map[string]json.RawMessage) (person, error) {
	p := person{Protocols: map[string]state{}}
	if err := json.Unmarshal(entry["user_id"], &p.User); err != nil {
		return p, fmt.Errorf("user_id: %w", err)
	}
	var presences domain.Presences
	for name, raw := range entry {
		if name == "user_id" {
			continue
		}
		protocol, err := domain.ParseProtocol(name)
		if err != nil {
			return p, fmt.Errorf("%s: %w", p.User, err)
		}
		var s state
		if err := json.Unmarshal(raw, &s); err != nil {
			return p, fmt.Errorf("%s of %s: %w", protocol, p.User, err)
		}
		status, err := domain.ParseStatus(s.Status)
		if err != nil {
			return p, fmt.Errorf("%s of %s: %w", protocol, p.User, err)
		}
		p.Protocols[name] = s
		presences = presences.With(domain.Presence{Protocol: protocol, Status: status, Message: s.Message})
	}
	unified := domain.Unify(presences)
	p.Status, p.Message, p.By = unified.Status.String(), unified.Message, unified.By.String()
	return p, nil
}

// writeTable prints a line for each person, and a column for each protocol that knows any of them.
func writeTable(w io.Writer, people []person) error {
	var protocols []string
	for _, p := range people {
		for protocol := range p.Protocols {
			if !slices.Contains(protocols, protocol) {
				protocols = append(protocols, protocol)
			}
		}
	}
	slices.Sort(protocols)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		for i, cell := range cells {
			cells[i] = printable(first(cell, "-"))
		}
		_, _ = fmt.Fprintln(table, strings.Join(cells, "\t")) // Flush tells
	}
	row(append(append([]string{"USER", "STATUS", "BY"}, upper(protocols)...), "MESSAGE")...)
	for _, p := range people {
		cells := append(make([]string, 0, 4+len(protocols)), p.User, p.Status, p.By)
		for _, protocol := range protocols {
			cells = append(cells, p.Protocols[protocol].Status)
		}
		row(append(cells, p.Message)...)
	}
	return table.Flush()
}

func upper(texts []string) []string {
	up := make([]string, len(texts))
	for i, text := range texts {
		up[i] = strings.ToUpper(text)
	}
	return up
}
