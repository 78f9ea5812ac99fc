package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
)

const watchLong = `Follows a running daemon and shows who is available as it changes, until it is interrupted: a live table on a terminal, else a line for
each change, and with --json each user's document as the API gives it. It begins with how things are. Without USER it shows
everybody, for which the token has to be a service's (auth.services). It comes back by itself when the connection is lost.
`

const (
	// silence is after how long without a sign of life a connection is given up. The daemon sends one every 15 seconds.
	silence = 45 * time.Second

	firstReturn = 500 * time.Millisecond
	lastReturn  = 10 * time.Second
)

func (c *cli) watch() *cobra.Command {
	var flags clientFlags
	var asJSON bool
	command := &cobra.Command{
		Use:     "watch [--config FILE] [--json] [USER...]",
		Short:   "Follow who is available on a running daemon",
		Long:    watchLong + fmt.Sprintf(clientLong, " for the first user who is named, or the first service"),
		Example: "  zarafa-presence watch markd@zarafa.com\n  zarafa-presence watch --json | jq -r '.user + \" \" + .status'",
		Args:    cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			return c.runWatch(command, flags, args, asJSON)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON, a line for each change")
	flags.add(command, "the first one who is named, or the first service")
	return c.addKeys(command, false)
}

func (c *cli) runWatch(command *cobra.Command, flags clientFlags, users []string, asJSON bool) error {
	for _, user := range users {
		if _, err := domain.ParseUserID(user); err != nil {
			return coded(exitUsage, err)
		}
	}
	as, err := c.watcher(command, flags, users)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(command.Context())
	defer stop()
	follower := &follower{
		users:   users,
		client:  func() (*client, error) { return c.client(command, flags, as) },
		renewed: first(flags.token, c.getenv(envToken)) == "",
		show:    newShow(command.OutOrStdout(), command.ErrOrStderr(), asJSON, c.getenv("NO_COLOR") != ""),
	}
	err = follower.run(ctx)
	follower.show.end()
	return err
}

// watcher is for whom a token is made, if one has to be.
func (c *cli) watcher(command *cobra.Command, flags clientFlags, users []string) (domain.UserID, error) {
	if flags.as != "" || first(flags.token, c.getenv(envToken)) != "" {
		return "", nil
	}
	if len(users) > 0 {
		return domain.ParseUserID(users[0])
	}
	settings, err := c.settings(command, c.configFile())
	if err != nil {
		return "", err
	}
	return firstService(settings)
}

// firstService is who may ask for everybody.
func firstService(settings *wiring.Settings) (domain.UserID, error) {
	if len(settings.Auth.Services) == 0 {
		return "", usageError("only services may ask for everybody, and auth.services lists none: name users, or use --as or a service's token")
	}
	return domain.ParseUserID(settings.Auth.Services[0])
}

// show is where a follower shows what it learns.
type show interface {
	forget()                                 // nothing of what was shown is known any more
	presence(user *watched, document []byte) // what is so now
	ready()                                  // all that there is was shown once
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
}

// run returns nil when ctx ends. It gives up what cannot get better by itself, and a daemon that it has never reached.
func (f *follower) run(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		connected, err := f.follow(ctx)
		switch {
		case ctx.Err() != nil: // which is why
			continue
		case !f.connected || f.final(err):
			return err
		case connected:
			failures = 0
		}
		pause := min(firstReturn<<min(failures, 10), lastReturn)
		pause = pause/2 + rand.N(pause/2)
		failures++
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

// follow connects once and reads events until the connection ends.
func (f *follower) follow(ctx context.Context) (connected bool, err error) {
	client, err := f.client()
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(patience, cancel)
	defer watchdog.Stop()
	response, err := f.request(ctx, client)
	if err != nil {
		return false, client.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // what has come of it may say why
		return false, client.refusal(response.StatusCode, answer)
	}
	f.connected = true
	f.show.connection("")
	stream := newEvents(response.Body, f.last, func() { watchdog.Reset(silence) })
	for {
		e, err := stream.next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errStreamEnded
			}
			return true, client.unreachable(err)
		}
		if err := f.take(client, e); err != nil {
			return true, err
		}
	}
}

func (f *follower) request(ctx context.Context, client *client) (*http.Response, error) {
	at, err := url.JoinPath(client.url, "v1/events")
	if err != nil {
		return nil, err
	}
	document := struct {
		Users []string `json:"users,omitempty"`
	}{f.users}
	body, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+client.token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	if f.last != "" {
		request.Header.Set("Last-Event-ID", f.last)
	}
	transport := &http.Transport{DisableKeepAlives: true} // no proxy: the daemon is near
	return (&http.Client{Transport: transport, CheckRedirect: noRedirect}).Do(request)
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
			return coded(exitFailed, fmt.Errorf("%s does not answer like this daemon: %s", client.url, excerpt(err.Error())))
		}
		f.show.presence(user, e.data)
	case "ready":
		f.show.ready()
	case "end":
		if strings.Contains(string(e.data), `"expired"`) {
			return coded(exitRefused, errTokenExpired)
		}
		return coded(exitUnreachable, errStreamEnded)
	}
	return nil
}

// watched is what is shown of a user's document.
type watched struct {
	User    string     `json:"user"`
	Status  string     `json:"status"`
	Message string     `json:"message"`
	By      string     `json:"by"` // empty if no protocol knows the user
	Since   *time.Time `json:"since"`
	Stale   bool       `json:"stale"`
}

func readWatched(document []byte) (*watched, error) {
	var user watched
	if err := json.Unmarshal(document, &user); err != nil {
		return nil, err
	}
	if _, err := domain.ParseUserID(user.User); err != nil {
		return nil, err
	}
	if _, err := domain.ParseStatus(user.Status); err != nil {
		return nil, err
	}
	return &user, nil
}
