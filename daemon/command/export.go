package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/backup"
	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
)

// storeLong is what export and import share.
const storeLong = `
With store.dir, which is the default, stop the daemon first: one process at a time can use the directory. Run this as the daemon's
user. With store.url the daemons may go on. It accepts every flag of serve.`

const exportLong = `Writes all presences to FILE, or to standard output if there is none or it is "-": one a line, as JSON, ordered by user. FILE appears, or is
replaced, when all is written, and only you can read it.
` + storeLong

func (c *cli) export() *cobra.Command {
	command := &cobra.Command{
		Use:     "export [--config FILE] [FILE]",
		Short:   "Write all presences to a file",
		Long:    exportLong,
		Example: "  zarafa-presence export presences.jsonl\n  zarafa-presence export | gzip > presences.jsonl.gz",
		Args:    between(0, 1, "one file, or none"),
		RunE: func(command *cobra.Command, args []string) error {
			return c.runExport(command, fileArgument(args))
		},
	}
	return c.addKeys(command, false)
}

// standard is the name of standard input and output.
const standard = "-"

func fileArgument(args []string) string {
	if len(args) == 0 {
		return standard
	}
	return args[0]
}

func (c *cli) runExport(command *cobra.Command, file string) error {
	ctx, stop := untilSignal(command.Context())
	defer stop()
	settings, err := c.storeSettings(command)
	if err != nil {
		return err
	}
	store, err := openStore(ctx, command, settings, true)
	if err != nil {
		return err
	}
	shown := newProgress(command.ErrOrStderr())
	var count int
	to := func(w io.Writer) (err error) {
		count, err = writeLines(ctx, w, store.Core, shown)
		return err
	}
	outcome := "nothing was exported"
	if file == standard {
		outcome = "the export is not complete"
		err = to(command.OutOrStdout())
	} else {
		err = replaceFile(file, to)
	}
	shown.clear()
	closed := store.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", outcome, err)
	}
	if closed != nil {
		return fmt.Errorf("closing the store: %w", closed)
	}
	shown.say("%s exported from %s", plural(count, "presence"), store.Where)
	return nil
}

// untilSignal returns a context that ends with the first signal to end; a second one kills.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// storeSettings reads the configuration, of which only the store has to be right.
func (c *cli) storeSettings(command *cobra.Command) (*wiring.Settings, error) {
	settings, err := c.settings(command, c.configFile())
	if err != nil {
		return nil, err
	}
	if err := settings.ValidateOnly("store"); err != nil {
		return nil, coded(exitUsage, err)
	}
	return settings, coded(exitUsage, settings.Store.Reachable())
}

// openWithin is how long a cluster may take to answer and to be loaded: a daemon waits for ever, but whoever makes backups at night would
// not notice.
const openWithin = 2 * time.Minute

// openStore opens the store that the configuration names. What it has to say goes to standard error if it is a warning.
func openStore(ctx context.Context, command *cobra.Command, settings *wiring.Settings, exists bool) (*wiring.OpenedStore, error) {
	log := slog.New(slog.NewTextHandler(command.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	opening, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	store, err := settings.OpenStore(opening, exists, log)
	if err != nil && ctx.Err() != nil {
		return nil, errInterrupted
	}
	return store, err
}

var errInterrupted = errors.New("interrupted")

// writeLines writes every presence, as it is stored, and returns how many there were.
func writeLines(ctx context.Context, to io.Writer, store app.Core, shown *progress) (count int, err error) {
	var users []domain.UserID
	store.Image.Each(func(user domain.UserID, _ domain.Presences) bool {
		users = append(users, user)
		return true
	})
	slices.Sort(users)
	buffered := bufio.NewWriterSize(to, 1<<16)
	var text []byte
	for i, user := range users {
		if ctx.Err() != nil {
			return count, errInterrupted
		}
		for _, p := range store.Image.Presences(user) {
			text = backup.Append(text[:0], user, &p)
			if _, err := buffered.Write(text); err != nil {
				return count, err
			}
			count++
		}
		shown.at("exporting", int64(i), int64(len(users)))
	}
	return count, buffered.Flush()
}

// replaceFile makes a file of what write writes, in one step when all of it is on the disk. What is not a file, such as a pipe, is written as
// it is.
func replaceFile(name string, write func(io.Writer) error) error {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a directory", name)
	case err == nil && !info.Mode().IsRegular():
		file, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // the caller names it
		if err != nil {
			return err
		}
		return errors.Join(write(file), file.Close())
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // unless it has its name
	if err := errors.Join(write(temporary), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), name)
}
