// Package command is the command line of the daemon: serve runs it, check looks at a configuration, get, set, clear and watch ask a running one,
// token makes a token, export and import write all presences to a file and back. Package daemon calls it.
package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/wiring"
)

// Run carries out one command line of a program that has some protocols, and returns its exit code. It reads no global state but the files that it
// is told of.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string, protocols []wiring.Protocol) int {
	c := &cli{environ: environ, protocols: protocols}
	if _, err := wiring.Keys(protocols); err != nil { // two protocols have one name, or a Config cannot be one
		_, _ = fmt.Fprintln(stderr, "zarafa-presence:", err)
		return exitFailed
	}
	root := c.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return exitOK
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, _ = fmt.Fprintln(stderr, "zarafa-presence: "+printable(line)) // it may quote anything: an argument, a server
	}
	return exitCode(err)
}

// cli is what all commands share.
type cli struct {
	environ   []string
	protocols []wiring.Protocol
	file      string // --config

	url, shown, as string // of commands that ask a daemon: --url, --token, --as
}

const long = `zarafa-presence collects who is available from several protocols and answers it over HTTP.

Configuration: defaults, then the file given with --config, then environment variables such as
PRESENCE_HTTP__LISTEN, then flags such as --http.listen, each over the one before it.

Exit codes:
  0  done
  1  failed; for serve: it could not start, or could not go on
  2  the command line, the configuration or the request is wrong
  3  the daemon refused: the token is not accepted, or does not allow this
  4  the daemon cannot be reached`

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "zarafa-presence",
		Short:         "Who is available, over several protocols, in one answer",
		Long:          long,
		Args:          usageArgs(unknownCommand),
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().StringVar(&c.file, "config", "", "configuration `FILE`, YAML or the original's presence.cfg\n"+
		"(default: $"+envConfig+", or "+defaultFile+" if it is there)")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(c.serve(), c.check(), c.token(), c.get(), c.set(), c.clear(), c.watch(), c.export(), c.importing(), version())
	for _, command := range root.Commands() {
		command.DisableFlagsInUseLine = true
		command.Args = usageArgs(command.Args)
	}
	return root
}
