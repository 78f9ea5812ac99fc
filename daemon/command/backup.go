package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/adapters/http/backup"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// presences is where export and import find them: a running daemon, or a store that no daemon has.
type presences struct {
	ports.Backup
	where string
	close func() error
}

// backupLong is what export and import share.
const backupLong = `
It asks a running daemon, for which the token has to be a service's (auth.services). If none runs at http.listen, or with --store.dir or
--store.url, it opens the store itself: do that as the daemon's user.
`

// firstService is the user who asks for everybody, unless --as or a token says otherwise.
const firstService = "the first of auth.services"

// openPresences finds the presences. If exists is set, a store that is opened must have some already.
func (c *cli) openPresences(ctx context.Context, command *cobra.Command, exists bool) (*presences, error) {
	direct := command.Flags().Changed("store.dir") || command.Flags().Changed("store.url")
	if direct || c.address() == "" {
		settings, err := c.settings(command)
		if err != nil {
			return nil, err
		}
		if direct || nobodyListens(ctx, settings.HTTP.Listen) {
			return openStore(ctx, command, settings, exists)
		}
	}
	client, err := c.client(command)
	if err != nil {
		return nil, err
	}
	return &presences{Backup: remote{client}, where: client.url, close: func() error { return nil }}, nil
}

// nobodyListens reports whether it is certain that no daemon runs at an address.
func nobodyListens(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address)
	if err == nil {
		_ = conn.Close() // it was only tried
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// openWithin is how long a cluster may take to answer and to be loaded: a daemon waits for ever, but nobody would notice that at night.
const openWithin = 2 * time.Minute

// openStore opens the store that the configuration names. Warnings go to standard error.
func openStore(ctx context.Context, command *cobra.Command, settings *wiring.Settings, exists bool) (*presences, error) {
	if err := settings.ValidateOnly("store"); err != nil {
		return nil, coded(exitUsage, err)
	}
	if err := settings.Store.Reachable(); err != nil {
		return nil, coded(exitUsage, err)
	}
	opening, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	store, err := settings.OpenStore(opening, exists, warnings(command))
	if err != nil {
		return nil, orInterrupted(ctx, err)
	}
	return &presences{Backup: app.NewBackup(store.Core, nil), where: store.Where, close: store.Close}, nil
}

// warnings is a log that writes warnings and errors to standard error.
func warnings(command *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(command.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

var errInterrupted = errors.New("interrupted")

// orInterrupted returns why something has failed: the end of ctx, or err.
func orInterrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// remote implements ports.Backup over the API of a running daemon.
type remote struct{ *client }

// Export implements ports.Backup.
func (r remote) Export(ctx context.Context, visit func(user domain.UserID, p domain.Presence) error) error {
	response, err := r.do(ctx, http.MethodGet, "v1/export", nil, http.Header{})
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	return backup.Lines(response.Body, func(l backup.Line) error {
		if l.Err != nil {
			return fmt.Errorf("line %d of the daemon's answer: %w", l.Number, l.Err)
		}
		return visit(l.Change.User, l.Change.Presence)
	})
}

// importPart is how many bytes of lines are sent at once, about: the daemon takes 1 MiB, and the last line may have 64 KiB.
const importPart = 900 << 10

// Import implements ports.Backup. What does not go into one request is sent with several.
func (r remote) Import(ctx context.Context, presences []domain.Change) (written int, err error) {
	var part []byte
	for i := range presences {
		if part, err = backup.Append(part, presences[i].User, &presences[i].Presence); err != nil {
			return written, err
		}
		if len(part) < importPart && i < len(presences)-1 {
			continue
		}
		n, err := r.importPart(ctx, part)
		written += n
		if err != nil {
			return written, err
		}
		part = part[:0]
	}
	return written, nil
}

func (r remote) importPart(ctx context.Context, part []byte) (int, error) {
	response, err := r.do(ctx, http.MethodPost, "v1/import", part, http.Header{"Content-Type": {backup.ContentType}})
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	var answer struct{ Imported int }
	err = json.NewDecoder(io.LimitReader(response.Body, 1<<10)).Decode(&answer)
	return answer.Imported, err
}
