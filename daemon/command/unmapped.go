package command

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// runUnmapped asks the daemon which names are nobody's.
func (c *cli) runUnmapped(command *cobra.Command) error {
	client, err := c.client(command)
	if err != nil {
		return err
	}
	answer, err := client.ask(command.Context(), http.MethodGet, "v1/identities/unmapped", nil)
	if err != nil {
		return err
	}
	var document struct {
		Unmapped []struct {
			Protocol, Name string
			Times          int
		}
		Others int
	}
	if err := json.Unmarshal(answer, &document); err != nil {
		return client.strange(err)
	}
	var out strings.Builder
	for _, name := range document.Unmapped {
		_, _ = fmt.Fprintln(&out, printable(name.Protocol+" "+name.Name+" "+strconv.Itoa(name.Times))) // it never fails
	}
	if document.Others > 0 {
		_, _ = fmt.Fprintf(&out, "and further names, %s\n", times(document.Others))
	}
	_, err = io.WriteString(command.OutOrStdout(), out.String())
	return err
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}
