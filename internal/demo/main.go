package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the command line's.
type options struct {
	daemon  string
	listen  string
	seed    uint64
	verbose bool
}

func main() {
	// SIGPIPE means that nobody reads the output any more. The signals stay caught, so a second Ctrl-C does not interrupt the cleanup.
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command runs the demo and returns the exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.daemon, "daemon", "bin/zarafa-presence", "the daemon's `program`")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:1234", "the `address` on which the daemon listens")
	flags.Uint64Var(&o.seed, "seed", rand.Uint64(), "the same `number` makes the same scenario")
	flags.BoolVar(&o.verbose, "v", false, "print what happens")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "demo: unknown argument %q; see: demo -help\n", flags.Arg(0))
		return 2
	}
	if err := run(ctx, o, stdout); err != nil {
		fmt.Fprintf(stderr, "demo: %v\n", err)
		return 1
	}
	return 0
}

// run runs the demo until ctx ends, and leaves nothing behind.
func run(ctx context.Context, o options, stdout io.Writer) error {
	if err := check(o, prosody); err != nil {
		return err
	}
	var all scope
	defer all.end()
	var failed error
	err := catch(func() {
		fmt.Fprintf(stdout, "Starting Prosody, %d colleagues and the daemon ...\n", len(people))
		servers := startServers(&all, o)
		fmt.Fprint(stdout, instructions(servers.daemon, o.daemon))
		failed = play(ctx, servers, newScenario(o.seed), printer(stdout, o.verbose))
	})
	if ctx.Err() != nil { // any failure is a consequence of ending
		fmt.Fprintln(stdout, "\nEnding ...")
		return nil
	}
	return errors.Join(err, failed)
}

// play carries out the scenario until ctx ends or something fails. It calls onStep before each step.
func play(ctx context.Context, servers *servers, scenario *scenario, onStep func(*scenario, step)) error {
	player := newPlayer(servers)
	for {
		next := scenario.next()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next.after):
		}
		if err := servers.ended(); err != nil {
			return err
		}
		onStep(scenario, next)
		if err := errors.Join(player.do(ctx, next), player.repeat(ctx)); err != nil {
			return errors.Join(servers.ended(), err)
		}
	}
}

// printer prints each step with the scenario's time of day, if verbose.
func printer(stdout io.Writer, verbose bool) func(*scenario, step) {
	return func(s *scenario, n step) {
		if verbose {
			fmt.Fprintf(stdout, "%s  %-6s %s\n", time.Time{}.Add(s.now()).Format("15:04"), n.person.name, n.activity.name)
		}
	}
}

const instructionsText = `
Watch them in a browser:

  %[1]sboard#token=%[2]s

or in another terminal:

  PRESENCE_TOKEN='%[3]s' %[4]s watch --url %[1]s

Ctrl-C ends everything.

`

// instructions returns the text that is printed, with a fresh token.
func instructions(d *daemon, program string) string {
	token := d.tokens.Issue(boardUser)
	return fmt.Sprintf(instructionsText, d.url, url.QueryEscape(token), token, program)
}
