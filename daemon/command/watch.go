package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const watchLong = `Follows a running daemon and shows who is available as it changes, until it is interrupted: a live table on a terminal, else a
line for each change, and with --json each user's document as the API gives it. It begins with how things are. Without USER it shows
everybody, for which the token has to be a service's (auth.services). It comes back by itself when the connection is lost.
`

// The pauses before a connection is tried again, less up to one half by chance.
const (
	firstReturn = 500 * time.Millisecond
	lastReturn  = 10 * time.Second
)

func (c *cli) watch() *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:     "watch [--config FILE] [--json] [USER...]",
		Short:   "Follow who is available on a running daemon",
		Long:    watchLong,
		Example: "  zarafa-presence watch markd@zarafa.com\n  zarafa-presence watch --json | jq -r '.user + \" \" + .status'",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(command *cobra.Command, args []string) error { return c.runWatch(command, args, asJSON) },
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON, a line for each change")
	return c.asking(command, "the first user named, or "+firstService)
}

func (c *cli) runWatch(command *cobra.Command, users []string, asJSON bool) error {
	ctx, stop := untilSignal(command.Context())
	defer stop()
	follower := &follower{
		users:   users,
		client:  func() (*client, error) { return c.client(command, users...) },
		renewed: c.ownToken() == "",
		show:    newShow(command.OutOrStdout(), command.ErrOrStderr(), asJSON, c.getenv("NO_COLOR") != ""),
	}
	defer follower.show.end()
	return follower.run(ctx)
}

// show is where a follower shows what it learns.
type show interface {
	forget()                                 // nothing of what was shown is known any more
	presence(user *watched, document []byte) // what is so now
	connection(text string)                  // how the connection is; empty if it is well
	end()
}

// follower keeps reading a daemon's events.
type follower struct {
	users   []string
	client  func() (*client, error) // with a fresh token, if renewed
	renewed bool                    // the token is made anew for each connection
	show    show

	last      string // id of the last event
	connected bool   // has been, once
	failures  int    // since then
}

// run returns nil when ctx ends. It gives up what cannot get better by itself, and a daemon that it has never reached.
func (f *follower) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			continue // which is why
		}
		if !f.connected || f.final(err) {
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
	return nil
}

// final reports whether to try again is of no use.
func (f *follower) final(err error) bool {
	switch exitCode(err) {
	case exitRefused:
		return !f.renewed || !errors.Is(err, errTokenExpired)
	case exitUsage:
		return true
	}
	return false
}

var (
	errTokenExpired = errors.New("the token has expired")
	errStreamEnded  = errors.New("the daemon has ended the connection")
)

// follow connects once and reads events until the connection ends. It returns why.
func (f *follower) follow(ctx context.Context) error {
	client, err := f.client()
	if err != nil {
		return err
	}
	body, err := json.Marshal(struct {
		Users []string `json:"users,omitempty"`
	}{f.users})
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}}
	if f.last != "" {
		header.Set("Last-Event-ID", f.last)
	}
	response, err := client.do(ctx, http.MethodPost, "v1/events", body, header)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	f.connected, f.failures = true, 0
	f.show.connection("")
	stream := newEvents(response.Body, f.last)
	for {
		e, err := stream.next()
		if errors.Is(err, io.EOF) {
			err = client.unreachable(errStreamEnded)
		}
		if err == nil {
			err = f.take(client, e)
		}
		if err != nil {
			return err
		}
	}
}

// take shows an event. An error ends the connection.
func (f *follower) take(client *client, e event) error {
	f.last = e.id
	switch e.name {
	case "reset":
		f.show.forget()
	case "presence":
		user, err := readWatched(e.data)
		if err != nil {
			return client.strange(err)
		}
		f.show.presence(user, e.data)
	case "end":
		if strings.Contains(string(e.data), `"expired"`) {
			return coded(exitRefused, errTokenExpired)
		}
		return coded(exitUnreachable, errStreamEnded)
	}
	return nil
}

// watched is what is shown of a user's document that has come as an event.
type watched struct {
	person
	Since *time.Time `json:"since"`
	Stale bool       `json:"stale"`
}

func readWatched(document []byte) (*watched, error) {
	var user watched
	if err := json.Unmarshal(document, &user); err != nil {
		return nil, err
	}
	return &user, user.check()
}
