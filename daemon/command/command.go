// Package command is the command line of the daemon: serve runs it, check looks at a configuration, get, set, clear and watch ask a running one,
// token makes a token, key a static key, export and import write all presences to a file and back, webhook tries one. Package daemon calls it.
package command

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/daemon/internal/wiring"
)

// Run carries out one command line of a program that has some protocols, and returns its exit code. It reads no global state but the files that it
// is told of. With serve the process ignores SIGHUP afterwards.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string, protocols []wiring.Protocol) int {
	c := &cli{args: args, environ: environ, env: make(map[string]string), protocols: protocols}
	if slices.Contains(args, "serve") { // first of all, and to the end of the process, or a SIGHUP that comes too early or too late would kill it
		c.hangup = make(chan os.Signal, 1)
		signal.Notify(c.hangup, syscall.SIGHUP)
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		c.env[name] = value
	}
	root, err := c.root()
	if err == nil {
		root.SetArgs(args)
		root.SetIn(stdin)
		root.SetOut(stdout)
		root.SetErr(stderr)
		addCompletion(root)
		if root, err = root.ExecuteC(); err != nil && !c.running { // the command line is at fault
			err = usageError("%w (see: %s --help)", err, root.CommandPath())
		}
	}
	if err == nil {
		return exitOK
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		_, _ = fmt.Fprintln(stderr, "zarafa-presence: "+printable(line)) // it may quote anything: an argument, a server
	}
	return exitCode(err)
}

// Tree returns the command at the root, with all others below it, for a program that writes manual pages.
func Tree(protocols []wiring.Protocol) (*cobra.Command, error) {
	root, err := (&cli{protocols: protocols}).root()
	if err == nil {
		addCompletion(root)
	}
	return root, err
}

// addCompletion adds the command that prints completions, which keeps where the root writes at this moment.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		if command.Name() == "completion" {
			group(command)
		}
	}
}

// cli is what all commands share.
type cli struct {
	args      []string          // the command line
	environ   []string          // the environment
	env       map[string]string // the same, by name
	protocols []wiring.Protocol
	hangup    chan os.Signal // yields what has the daemon reload
	running   bool           // the command line was accepted
	file      string         // --config

	asJSON, skip   bool   // --json, --skip-invalid
	url, shown, as string // of commands that ask a daemon: where it is, the token to show, and --as
	secure         secured
}

// root returns an error if the protocols' configurations cannot be one.
func (c *cli) root() (*cobra.Command, error) {
	root := &cobra.Command{
		Use:   "zarafa-presence",
		Short: "Who is available, over several protocols, in one answer",
		Long: `zarafa-presence collects who is available from several protocols and answers it over HTTP.

Configuration: defaults, then the file given with --config, then environment variables such as
PRESENCE_HTTP__LISTEN, then flags such as --http.listen, each over the one before it.

Exit codes:
  0  done
  1  failed; for serve: it could not start, or could not go on
  2  the command line, the configuration or the request is wrong
  3  the daemon refused: the token is not accepted, or does not allow this
  4  the daemon cannot be reached
  5  the time is over (watch --until --timeout)`,
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	group(root)
	root.SetVersionTemplate(versionLine())
	root.SetHelpCommand(help())
	root.SetFlagErrorFunc(func(command *cobra.Command, err error) error { return flagFault(command, c.args, err) })
	root.PersistentFlags().StringVar(&c.file, "config", "", "configuration `FILE`, YAML or the original's presence.cfg\n"+
		"(default: $"+envConfig+", or "+defaultFile+" if it is there)")
	root.AddCommand(c.serve(), c.check(), c.token(), c.key(), c.board(),
		c.get(), c.set(), c.clear(), c.watch(), c.why(), c.export(), c.importing(), c.identities(), c.webhook(), version())
	for _, command := range root.Commands() {
		command.DisableFlagsInUseLine = true
		keys := pflag.NewFlagSet("", pflag.ContinueOnError)
		if err := config.AddFlags(keys, wiring.Sections(c.protocols)...); err != nil {
			return nil, err
		}
		keys.VisitAll(func(flag *pflag.Flag) {
			flag.Hidden = flag.Hidden || !helpful(command.Name(), flag.Name)
		})
		command.Flags().AddFlagSet(keys)
		if err := c.completeValues(command); err != nil {
			return nil, err
		}
		run := command.RunE
		command.RunE = func(command *cobra.Command, args []string) error {
			c.running = true
			c.url, c.shown = cmp.Or(c.url, c.env[envURL]), cmp.Or(c.shown, c.env[envToken])
			return run(command, args)
		}
	}
	return root, nil
}

// helpful reports whether a command's help shows the flag of a key: of serve and check every one, else those that matter. All are accepted.
func helpful(command, key string) bool {
	switch command {
	case "serve", "check":
		return true
	case "version", "key":
		return false
	case "export", "import":
		return key == authKey || key == storeKey || key == "store.url"
	}
	return key == authKey
}

// release is set when a release is built: -ldflags "-X github.com/zarafa/presence/daemon/command.release=1.2.3". Otherwise the version is what Go
// knows of the build.
var release string

func version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := io.WriteString(command.OutOrStdout(), versionLine())
			return err
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("zarafa-presence %s (%s, %s/%s)\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func versionText() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return cmp.Or(release, info.Main.Version, "unknown")
	}
	return cmp.Or(release, "unknown")
}
