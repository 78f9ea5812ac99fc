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

// options are what the command line says.
type options struct {
	daemon  string
	listen  string
	seed    uint64
	verbose bool
}

func main() {
	// SIGPIPE: whoever reads what is printed has gone. Any further signal does nothing, until the process has ended: cutting its end short would
	// leave things behind.
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
	flags.Uint64Var(&o.seed, "seed", rand.Uint64(), "the same `number` makes the same play")
	flags.BoolVar(&o.verbose, "v", false, "tell what happens")
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
	err := guard(func() {
		fmt.Fprintf(stdout, "Starting Prosody, %d colleagues and the daemon ...\n", len(cast))
		stage := newStage(&all, o)
		fmt.Fprint(stdout, invitation(stage.daemon, o.daemon))
		failed = perform(ctx, stage, newScript(o.seed), narrator(stdout, o.verbose))
	})
	if ctx.Err() != nil { // whatever fails then, fails because it is to end
		fmt.Fprintln(stdout, "\nEnding ...")
		return nil
	}
	return errors.Join(err, failed)
}

// perform plays until ctx ends or something goes wrong.
func perform(ctx context.Context, stage *stage, script *script, narrate func(*script, scene)) error {
	performance := newPerformance(stage)
	for {
		next := script.next()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next.after):
		}
		if err := stage.ended(); err != nil {
			return err
		}
		narrate(script, next)
		if err := errors.Join(performance.show(ctx, next), performance.repeat(ctx)); err != nil {
			return errors.Join(stage.ended(), err)
		}
	}
}

// narrator tells what happens, if somebody wants to know.
func narrator(stdout io.Writer, verbose bool) func(*script, scene) {
	return func(s *script, n scene) {
		if verbose {
			fmt.Fprintf(stdout, "%s  %-6s %s\n", time.Time{}.Add(s.now()).Format("15:04"), n.person.name, n.activity.name)
		}
	}
}

const invitationText = `
Watch them in a browser:

  %[1]sboard#token=%[2]s

or in another terminal:

  PRESENCE_TOKEN='%[3]s' %[4]s watch --url %[1]s

Ctrl-C ends everything.

`

// invitation is what the audience can click on or paste. The token is good for half a day.
func invitation(d *daemon, program string) string {
	token := d.tokens.Issue(board)
	return fmt.Sprintf(invitationText, d.url, url.QueryEscape(token), token, program)
}
