// Command demo shows the daemon at work: a real XMPP server (Prosody) with a dozen made-up colleagues whose presence changes about every
// second, web-meeting clients that come and go, telephones, calendars, and people who set themselves busy for a while. `make demo` runs it.
//
// scenario.go says who does what when, and knows no server. This file carries that out, like the clients of each protocol, on the servers
// that servers.go has started.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/zarafa/presence/internal/xmpptest"
)

var (
	program = flag.String("daemon", "bin/zarafa-presence", "the daemon's `program`")
	listen  = flag.String("listen", "127.0.0.1:1234", "the `address` on which the daemon listens")
	verbose = flag.Bool("v", false, "print what happens")
)

func main() {
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: unknown argument %q; see: demo -help\n", flag.Arg(0))
		os.Exit(2)
	}
	// SIGPIPE means that nobody reads the output. The signals stay caught, so a second Ctrl-C does not interrupt the cleanup.
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	if err := run(ctx); err != nil && ctx.Err() == nil { // after ctx has ended any failure is a consequence of that
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

const instructions = `
Watch them in a browser:

  %[2]s

This link works once, within 30 seconds. Another one: %[4]s board --config %[5]s

or in another terminal:

  PRESENCE_TOKEN='%[3]s' %[4]s watch --url %[1]s

Ctrl-C ends everything.

`

// run runs the demo until ctx ends, and leaves nothing behind.
func run(ctx context.Context) (err error) {
	if err := check("/usr/bin/prosody"); err != nil {
		return err
	}
	s := &servers{}
	defer s.end(&err)
	fmt.Printf("Starting Prosody, telephones, calendars, %d colleagues and the daemon ...\n", len(people))
	s.start()
	token, err := s.ask(ctx, "token", boardUser)
	if err != nil {
		return err
	}
	link, err := s.ask(ctx, "board", "--url", s.url, boardUser)
	if err != nil {
		return err
	}
	fmt.Printf(instructions, s.url, link, token, *program, s.config)
	devices := map[string]*xmpptest.Client{}
	defer func() {
		for _, device := range devices {
			device.Cut()
		}
		fmt.Println("\nEnding ...")
	}()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		next := stepAt(n)
		if *verbose {
			fmt.Printf("%-6s %s\n", next.person, next.activity.name)
		}
		s.phones.SetStatus(extensionOf(next.person), phoneState(next.activity.calls))
		err := errors.Join(s.show(devices, next), s.report(ctx, next), s.calendars.write(next.person, next.activity.calendar, time.Now()))
		if err := cmp.Or(s.ended(), err); err != nil {
			return err
		}
	}
}

// show lets a person's XMPP devices log in and out, and send what they show. It keeps those that are logged in by their JIDs.
func (s *servers) show(devices map[string]*xmpptest.Client, n step) error {
	for resource, says := range map[string]presence{"desk": n.activity.desk, "mobile": n.activity.mobile} {
		jid := s.xmpp.JID(n.person) + "/" + resource
		device := devices[jid]
		switch {
		case says.Status == "" && device != nil:
			if !n.abrupt {
				device.Leave("")
			}
			device.Cut()
			delete(devices, jid)
		case says.Status != "" && device == nil:
			var err error
			if device, err = s.xmpp.Connect(n.person, resource); err != nil {
				return err
			}
			devices[jid] = device
		}
		if says.Status != "" {
			device.Show(strings.TrimPrefix(says.Status, "online"), says.Message) // online is no show in XMPP
		}
	}
	return nil
}

// phoneState is the state of a telephone: in use, or idle.
func phoneState(calls bool) int {
	if calls {
		return 1
	}
	return 0
}

// report lets a person's other clients report, by the daemon's own command.
func (s *servers) report(ctx context.Context, n step) error {
	meeting := n.activity.meeting
	if meeting.Status == "" && n.before.meeting.Status != "" && !n.abrupt { // else the daemon lets the presence expire
		meeting.Status = "unavailable"
	}
	// What people set themselves ends just before they do something else.
	for how, says := range map[string]presence{"--protocol=spreed": meeting, "--for=12s": n.activity.manual} {
		if says.Status == "" {
			continue
		}
		if _, err := s.ask(ctx, "set", "--url", s.url, how, s.xmpp.JID(n.person), says.Status, says.Message); err != nil {
			return err
		}
	}
	return nil
}
