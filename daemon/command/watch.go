package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tmaxmax/go-sse"
)

// The pauses before a connection is tried again, less up to one half by chance.
const (
	firstReturn = 500 * time.Millisecond
	lastReturn  = 10 * time.Second
)

func (c *cli) watch() *cobra.Command {
	var about named
	var goal goal
	command := c.asking(&cobra.Command{
		Use:   "watch [--config FILE] [--json] [--until STATUS [--timeout DURATION]] [USER | group:NAME]...",
		Short: "Follow who is available on a running daemon",
		Long: `Follows a running daemon and shows who is available as it changes, until it is interrupted: a live table on a terminal, else a
line for each change, and with --json each user's document as the API gives it. It begins with how things are. group:NAME stands for the
members of a group, those who come into it later too. Without USER and group:NAME it shows everybody, for which the token has to be a
service's (auth.services). It comes back by itself when the connection is lost.

With --until it ends as soon as one of these users has a status: with exit code 0, at once if it is so already. It prints lines then, of
which the last one says who it is. A status that may no longer be true, because the connection to its source is lost, does not count.
With --timeout it waits no longer than that, and ends with exit code 5; if it is interrupted before, with 1.
`,
		Example: `  zarafa-presence watch markd@zarafa.com
  zarafa-presence watch --json | jq -r '.user + " " + .status'
  zarafa-presence watch --until available --timeout 1h group:helpdesk && notify-send "somebody is there"`,
		Args: func(command *cobra.Command, args []string) error {
			about.take(args)
			return goal.check(command)
		},
		RunE: func(command *cobra.Command, _ []string) error { return c.runWatch(command, about, goal) },
	}, "the first user named, or "+firstService)
	command.Flags().BoolVar(&c.asJSON, "json", false, "print JSON, a line for each change")
	about.flag(command)
	goal.flags(command)
	return command
}

func (c *cli) runWatch(command *cobra.Command, about named, goal goal) error {
	ctx, stop := untilSignal(command.Context())
	defer stop()
	follower := &follower{
		named:   about,
		goal:    goal,
		client:  func() (*client, error) { return c.client(command, about.users...) },
		renewed: c.shown == "",
	}
	if goal.set() {
		follower.show = &lineShow{out: command.OutOrStdout(), problems: command.ErrOrStderr(), asJSON: c.asJSON}
	} else {
		follower.show = newShow(command.OutOrStdout(), command.ErrOrStderr(), c.asJSON, c.env["NO_COLOR"] != "")
	}
	defer follower.show.end()
	ctx, cancel := goal.limit(ctx)
	defer cancel()
	return follower.run(ctx)
}

// show is where a follower shows what it learns.
type show interface {
	forget()                                // nothing of what was shown is known any more
	presence(user *person, document string) // what is so now
	connection(text string)                 // how the connection is; empty if it is well
	end()
}

// follower keeps reading a daemon's events.
type follower struct {
	named   named
	goal    goal
	client  func() (*client, error) // with a fresh token, if renewed
	renewed bool                    // the token is made anew for each connection
	show    show

	last      uint64 // id of the last event
	connected bool   // has been, once
	failures  int    // since then
}

// run returns nil when what it waits for is so, or when ctx ends and it waits for nothing. It gives up what cannot get better by itself, and a daemon
// that it has never reached.
func (f *follower) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := f.follow(ctx)
		switch code := exitCode(err); {
		case errors.Is(err, errReached):
			return nil
		case ctx.Err() != nil:
			continue // which is why
		case !f.connected, code == exitUsage, code == exitRefused && (!f.renewed || !errors.Is(err, errTokenExpired)):
			return err
		}
		pause := min(firstReturn<<min(f.failures, 10), lastReturn)
		pause = pause/2 + rand.N(pause/2)
		f.failures++
		f.show.connection(fmt.Sprintf("%v; trying again in %v", err, pause.Round(100*time.Millisecond)))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return f.goal.missed(ctx)
}

// follow connects once and shows what changes until the connection ends. It returns why.
func (f *follower) follow(ctx context.Context) error {
	client, err := f.client()
	if err != nil {
		return err
	}
	asked := struct {
		Users  []string `json:"users,omitempty"`
		Groups []string `json:"groups,omitempty"`
		Since  uint64   `json:"since,omitempty"`
	}{f.named.users, f.named.groups, f.last}
	stream, err := client.do(ctx, http.MethodPost, "v1/events", asked)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // it was only read
	f.connected, f.failures = true, 0
	f.show.connection("")
	for event, err := range eventsOf(stream) {
		if err == nil {
			err = f.take(client, event)
		}
		if err != nil {
			return err
		}
	}
	return nil // the stream has no end but an error
}

var errTokenExpired = errors.New("the token has expired")

// take shows an event. An error ends the connection.
func (f *follower) take(client *client, event sse.Event) error {
	if id, err := strconv.ParseUint(event.LastEventID, 10, 64); err == nil {
		f.last = id
	}
	switch event.Type {
	case "reset":
		f.show.forget()
	case "presence":
		user := new(person)
		if err := cmp.Or(json.Unmarshal([]byte(event.Data), user), user.check()); err != nil {
			return client.strange(err)
		}
		f.show.presence(user, event.Data)
		if f.goal.reached(user) {
			return errReached
		}
	case "end":
		if strings.Contains(event.Data, `"expired"`) {
			return coded(exitRefused, errTokenExpired)
		}
		return errStreamEnded
	}
	return nil
}

// maxEvent is the largest event that is read, in bytes: a user's document with a long message on many protocols.
const maxEvent = 4 << 20

var errStreamEnded = errors.New("the daemon has ended the connection")

// eventsOf reads a stream of server-sent events. Those without data are none. The last thing that it yields is an error: why the stream ended.
func eventsOf(stream io.Reader) iter.Seq2[sse.Event, error] {
	return func(yield func(sse.Event, error) bool) {
		for event, err := range sse.Read(endless{stream}, &sse.ReadConfig{MaxEventSize: maxEvent}) {
			if (err != nil || event.Data != "") && !yield(event, err) {
				return
			}
		}
	}
}

// endless is a stream whose end is an error. Otherwise sse.Read would take an event that breaks off for a whole one.
type endless struct{ io.Reader }

// Read implements io.Reader.
func (s endless) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errStreamEnded
	}
	return n, err
}
