package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
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
It asks the running daemon, on behalf of a service (auth.services). If no daemon runs at http.listen, or with --store.dir or --store.url, it
opens the store itself: do that as the daemon's user. With --url or PRESENCE_URL it asks that daemon and no other. The token is that of PRESENCE_TOKEN or --token; without one
it is made with the configured secret. It accepts every flag of serve.`

// openPresences finds the presences. In a store that is opened there have to be some already, if exists is set.
func (c *cli) openPresences(ctx context.Context, command *cobra.Command, flags clientFlags, exists bool) (*presences, error) {
	named := first(flags.url, c.getenv(envURL)) != ""
	if named && first(flags.token, c.getenv(envToken)) != "" {
		return c.daemonsPresences(ctx, command, flags, "", named)
	}
	settings, err := c.settings(command, c.configFile())
	if err != nil {
		return nil, err
	}
	var service domain.UserID
	if len(settings.Auth.Services) > 0 {
		service = domain.UserID(settings.Auth.Services[0])
	}
	if !command.Flags().Changed("store.dir") && !command.Flags().Changed("store.url") {
		found, err := c.daemonsPresences(ctx, command, flags, service, named)
		if found != nil || err != nil {
			return found, err
		}
	}
	return openStore(ctx, command, settings, exists)
}

// daemonsPresences finds those of a running daemon. It returns nothing if none runs, and none was named.
func (c *cli) daemonsPresences(ctx context.Context, command *cobra.Command, flags clientFlags, service domain.UserID, named bool) (*presences, error) {
	if service == "" && flags.as == "" && first(flags.token, c.getenv(envToken)) == "" {
		if !named {
			return nil, nil //nolint:nilnil // no daemon can be asked
		}
		return nil, usageError("auth.services lists no service, and the daemon exports and imports for services only")
	}
	client, err := c.client(command, flags, service)
	if err != nil {
		return nil, err
	}
	_, err = client.query(ctx, nil)
	if errors.Is(err, syscall.ECONNREFUSED) && !named {
		return nil, nil //nolint:nilnil // no daemon runs
	}
	if err != nil && exitCode(err) == exitUnreachable {
		return nil, err
	}
	return &presences{Backup: remote{client}, where: client.url, close: func() error { return nil }}, nil
}

// openWithin is how long a cluster may take to answer and to be loaded: a daemon waits for ever, but nobody would notice that at night.
const openWithin = 2 * time.Minute

// openStore opens the store that the configuration names. What it has to say goes to standard error if it is a warning.
func openStore(ctx context.Context, command *cobra.Command, settings *wiring.Settings, exists bool) (*presences, error) {
	if err := settings.ValidateOnly("store"); err != nil {
		return nil, coded(exitUsage, err)
	}
	if err := settings.Store.Reachable(); err != nil {
		return nil, coded(exitUsage, err)
	}
	log := slog.New(slog.NewTextHandler(command.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	opening, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	store, err := settings.OpenStore(opening, exists, log)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, errInterrupted
	case err != nil:
		return nil, err
	}
	return &presences{Backup: app.NewBackup(store.Core, nil), where: store.Where, close: store.Close}, nil
}

var errInterrupted = errors.New("interrupted")

// remote implements ports.Backup over the API of a running daemon.
type remote struct{ *client }

// Export implements ports.Backup.
func (r remote) Export(visit func(user domain.UserID, p domain.Presence) error) error {
	response, err := r.do(context.Background(), http.MethodGet, "v1/export", nil)
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

// importPart is how many bytes of lines are sent at once, about: the daemon takes 1 MiB, of which the last line may have 64 KiB.
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
	response, err := r.do(ctx, http.MethodPost, "v1/import", bytes.NewReader(part))
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	var answer struct{ Imported int }
	err = json.NewDecoder(io.LimitReader(response.Body, 1<<10)).Decode(&answer)
	return answer.Imported, err
}

// do sends a request, and returns an answer with status 200.
func (r remote) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	at, err := url.JoinPath(r.url, path)
	if err != nil {
		return nil, coded(exitUsage, err)
	}
	request, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return nil, coded(exitUsage, err)
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	transport := &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: patience}
	response, err := (&http.Client{Transport: transport, CheckRedirect: noRedirect}).Do(request)
	if err != nil {
		return nil, r.unreachable(err)
	}
	if response.StatusCode != http.StatusOK {
		defer func() { _ = response.Body.Close() }() // it was only read
		text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		return nil, errors.Join(err, r.refusal(response.StatusCode, text))
	}
	return response, nil
}
