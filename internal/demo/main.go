// Command demo shows the daemon at work: a real XMPP server (Prosody) with a dozen made-up colleagues whose presence changes about every
// second, web-meeting clients that come and go, and people who set themselves busy for a while. `make demo` runs it.
//
// scenario.go says who does what when, and knows no server. player.go carries that out, like the clients of each protocol, on the servers
// that servers.go has started.
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

	"github.com/zarafa/presence/internal/xmpptest"
)

// options are the command line's.
type options struct {
	daemon  string
	listen  string
	seed    uint64
	verbose bool
}

func main() {
	var o options
	flag.StringVar(&o.daemon, "daemon", "bin/zarafa-presence", "the daemon's `program`")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:1234", "the `address` on which the daemon listens")
	flag.Uint64Var(&o.seed, "seed", rand.Uint64(), "the same `number` makes the same scenario")
	flag.BoolVar(&o.verbose, "v", false, "print what happens")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unknown argument %q; see: demo -help\n", flag.Arg(0))
		os.Exit(2)
	}
	// SIGPIPE means that nobody reads the output any more. The signals stay caught, so a second Ctrl-C does not interrupt the cleanup.
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	if err := run(ctx, o); err != nil && ctx.Err() == nil { // after ctx has ended any failure is a consequence of that
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

const instructions = `
Watch them in a browser:

  %[1]sboard#token=%[2]s

or in another terminal:

  PRESENCE_TOKEN='%[3]s' %[4]s watch --url %[1]s

Ctrl-C ends everything.

`

// run runs the demo until ctx ends, and leaves nothing behind.
func run(ctx context.Context, o options) (err error) {
	if err := check(o, prosody); err != nil {
		return err
	}
	s := &servers{}
	defer s.end(&err)
	fmt.Printf("Starting Prosody, %d colleagues and the daemon ...\n", len(people))
	s.start(o)
	token := s.tokens.Issue(boardUser)
	fmt.Printf(instructions, s.url, url.QueryEscape(token), token, o.daemon)
	log := io.Discard
	if o.verbose {
		log = os.Stdout
	}
	err = play(ctx, s, newScenario(o.seed), log)
	fmt.Println("\nEnding ...")
	return err
}

// play carries out the scenario until ctx ends or something fails.
func play(ctx context.Context, s *servers, scenario *scenario, log io.Writer) error {
	player := &player{servers: s, devices: map[string]*xmpptest.Client{}}
	defer func() {
		for _, device := range player.devices {
			device.Cut()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		if err := s.ended(); err != nil {
			return err
		}
		next := scenario.next()
		fmt.Fprintf(log, "%-6s %s\n", next.person.name, next.activity.name)
		if err := errors.Join(player.do(ctx, next), player.report(ctx, scenario.doing)); err != nil {
			return errors.Join(s.ended(), err)
		}
	}
}
