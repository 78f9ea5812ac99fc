package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/adapters/http/backup"
	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
)

// backupLong is what export and import share.
const backupLong = `
It asks a running daemon, for which the token has to be a service's (auth.services). If none runs at http.listen, or with --store.dir or
--store.url, it opens the store itself: do that as the daemon's user.
`

// fullestService is the user who exports and imports.
const fullestService = "the first of auth.services that auth.see_invisible lists, or else the first of them"

// firstService is the user who asks for everybody, unless --as or a token says otherwise.
const firstService = "the first of auth.services"

// openWithin is how long a cluster may take to answer and to be loaded: a daemon waits for ever, but nobody would notice that at night.
const openWithin = 2 * time.Minute

// presences finds them: in a running daemon, or in a store that no daemon has. If exists is set, the store must have some already.
func (c *cli) presences(ctx context.Context, command *cobra.Command, exists bool) (*wiring.OpenedStore, error) {
	direct := command.Flags().Changed("store.dir") || command.Flags().Changed("store.url")
	if direct || c.url == "" {
		settings, err := c.settings(command)
		if err != nil {
			return nil, err
		}
		if direct || nobodyListens(ctx, settings) {
			if err := settings.Validate("store"); err != nil {
				return nil, coded(exitUsage, err)
			}
			if settings.Store.Name() == "memory" {
				return nil, usageError("store.kind: with memory the presences are in the daemon alone: there is nothing to export, and nowhere to import to")
			}
			opening, cancel := context.WithTimeout(ctx, openWithin)
			defer cancel()
			store, err := settings.OpenStore(opening, exists, warnings(command))
			return store, orInterrupted(ctx, err)
		}
	}
	users, err := c.seesInvisible(command)
	if err != nil {
		return nil, err
	}
	client, err := c.client(command, users...)
	if err != nil {
		return nil, err
	}
	return &wiring.OpenedStore{Backup: client, Where: client.url, Close: func() error { return nil }}, nil
}

// seesInvisible returns the first service that sees users who are invisible as they are, so that they are as they are in a backup too, or else the first.
// There is none if the configuration names none, and it is not asked for if somebody else is to speak.
func (c *cli) seesInvisible(command *cobra.Command) ([]string, error) {
	if c.as != "" || c.shown != "" {
		return nil, nil
	}
	settings, err := c.settings(command)
	if err != nil {
		return nil, err
	}
	service, err := serviceBeside(settings, "")
	if service == "" {
		return nil, err
	}
	return []string{service}, nil
}

// serviceBeside returns the first service that sees users who are invisible as they are, or else the first; but never somebody who is not to speak. It
// returns nothing if the configuration names no other.
func serviceBeside(settings *wiring.Settings, silent string) (service string, err error) {
	list, err := settings.Auth.SeeInvisibleList()
	if err != nil {
		return "", coded(exitUsage, err)
	}
	viewer, _ := domain.ParseUserID(silent) // nobody, if it is none
	for _, entry := range settings.Auth.Services {
		user, err := domain.ParseUserID(entry)
		switch {
		case err != nil || user == viewer:
		case list.Has(user, nil):
			return entry, nil
		case service == "":
			service = entry
		}
	}
	return service, nil
}

// nobodyListens reports whether it is certain that no daemon runs where the configured one would.
func nobodyListens(ctx context.Context, settings *wiring.Settings) bool {
	network, address := "tcp", settings.HTTP.Listen
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		network, address = "unix", path
	}
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, network, address)
	if err == nil {
		_ = conn.Close() // it was only tried
	}
	return errors.Is(err, syscall.ECONNREFUSED) || network == "unix" && errors.Is(err, fs.ErrNotExist)
}

// warnings is a log that writes warnings and errors to standard error.
func warnings(command *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(command.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// untilSignal returns a context that ends with the first signal to end; a second one kills.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

var errInterrupted = errors.New("interrupted")

// orInterrupted returns why something has failed: the end of ctx, or err.
func orInterrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// Export implements ports.Backup. The daemon gives what the token's service sees.
func (c *client) Export(ctx context.Context, _ domain.Principal, visit func(user domain.UserID, p domain.Presence) error) error {
	lines, err := c.do(ctx, http.MethodGet, "v1/export", nil)
	if err != nil {
		return err
	}
	defer func() { _ = lines.Close() }() // it was only read
	return backup.Lines(lines, func(l backup.Line) error {
		if l.Err != nil {
			return fmt.Errorf("line %d of the daemon's answer: %w", l.Number, l.Err)
		}
		return visit(l.Change.User, l.Change.Presence)
	})
}

// maxPart is how many bytes of lines are sent at once. The daemon takes 1 MiB.
const maxPart = 1000 << 10

// Import implements ports.Backup. What does not go into one request is sent with several.
func (c *client) Import(ctx context.Context, by domain.Principal, presences []domain.Change) (written int, err error) {
	var lines []byte
	for i := range presences {
		if lines, err = backup.Append(lines, presences[i].User, &presences[i].Presence); err != nil {
			return 0, err
		}
	}
	if half := len(presences) / 2; len(lines) > maxPart && half > 0 {
		if written, err = c.Import(ctx, by, presences[:half]); err != nil {
			return written, err
		}
		more, err := c.Import(ctx, by, presences[half:])
		return written + more, err
	}
	var answer struct{ Imported int }
	text, err := c.ask(ctx, http.MethodPost, "v1/import", lines)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	return answer.Imported, err
}
