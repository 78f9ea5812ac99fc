// Command zarafa-presence is the daemon and its tools: serve runs it, check looks at a configuration, get, set, clear and watch ask a running one,
// token makes a token, export and import write all presences to a file and back.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}

// run carries out one command line and returns its exit code. It reads no global state but the files that it is told of.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	c := &cli{environ: environ}
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
	environ []string
	file    string // --config
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
