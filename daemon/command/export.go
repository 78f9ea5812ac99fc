package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/adapters/http/backup"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

const exportLong = `Writes all presences to FILE, or to standard output if there is none or it is "-": one a line, as JSON, ordered by user. FILE appears, or is
replaced, when all is written, and only you can read it.
` + backupLong

func (c *cli) export() *cobra.Command {
	var flags clientFlags
	command := &cobra.Command{
		Use:     "export [--config FILE] [FILE]",
		Short:   "Write all presences to a file",
		Long:    exportLong,
		Example: "  zarafa-presence export presences.jsonl\n  zarafa-presence export | gzip > presences.jsonl.gz",
		Args:    between(0, 1, "one file, or none"),
		RunE: func(command *cobra.Command, args []string) error {
			return c.runExport(command, flags, fileArgument(args))
		},
	}
	flags.add(command, "the first of auth.services")
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

func (c *cli) runExport(command *cobra.Command, flags clientFlags, file string) error {
	ctx, stop := untilSignal(command.Context())
	defer stop()
	from, err := c.openPresences(ctx, command, flags, true)
	if err != nil {
		return err
	}
	shown := newProgress(command.ErrOrStderr())
	var count int
	to := func(w io.Writer) (err error) {
		count, err = writeLines(ctx, w, from, shown)
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
	closed := from.close()
	if err != nil {
		return fmt.Errorf("%s: %w", outcome, err)
	}
	if closed != nil {
		return fmt.Errorf("closing the store: %w", closed)
	}
	shown.say("%s exported from %s", plural(count, "presence"), from.where)
	return nil
}

// untilSignal returns a context that ends with the first signal to end; a second one kills.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// writeLines writes every presence, as it is kept, and returns how many there were.
func writeLines(ctx context.Context, to io.Writer, from ports.Backup, shown *progress) (count int, err error) {
	buffered := bufio.NewWriterSize(to, 1<<16)
	var line []byte
	err = from.Export(func(user domain.UserID, p domain.Presence) (err error) {
		if ctx.Err() != nil {
			return errInterrupted
		}
		if line, err = backup.Append(line[:0], user, &p); err != nil {
			return err
		}
		count++
		shown.count("exporting", count)
		_, err = buffered.Write(line)
		return err
	})
	if err != nil {
		return count, err
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
