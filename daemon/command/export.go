package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/adapters/http/backup"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

func (c *cli) export() *cobra.Command {
	return c.asking(&cobra.Command{
		Use:   "export [--config FILE] [FILE]",
		Short: "Write all presences to a file",
		Long: `Writes all presences to FILE, or to standard output if there is none or it is "-": one a line, as JSON, ordered by user. FILE
appears, or is replaced, when all is written, and only you can read it.
` + backupLong,
		Example: "  zarafa-presence export presences.jsonl\n  zarafa-presence export | gzip > presences.jsonl.gz",
		Args:    between(0, 1, "one file, or none"),
		RunE:    c.runExport,
	}, fullestService)
}

// standard is the name of standard input and output. It is the file if none is named.
const standard = "-"

func (c *cli) runExport(command *cobra.Command, args []string) error {
	ctx, stop := untilSignal(command.Context())
	defer stop()
	from, err := c.presences(ctx, command, true)
	if err != nil {
		return err
	}
	shown, count := newProgress(command.ErrOrStderr()), 0
	write := func(w io.Writer) (err error) {
		count, err = writeLines(ctx, w, from, shown)
		return err
	}
	outcome, file := "nothing was exported", append(args, standard)[0]
	if file == standard {
		outcome = "the export is not complete"
		err = write(command.OutOrStdout())
	} else {
		err = replaceFile(file, write)
	}
	shown.clear()
	if closed := from.Close(); err == nil {
		err, outcome = closed, "closing the store"
	}
	if err != nil {
		return fmt.Errorf("%s: %w", outcome, err)
	}
	shown.say("%s exported from %s", plural(count, "presence"), from.Where)
	return nil
}

// writeLines writes every presence, as it is kept, and returns how many there were.
func writeLines(ctx context.Context, to io.Writer, from ports.Backup, shown *progress) (count int, err error) {
	buffered := bufio.NewWriterSize(to, 1<<16)
	var line []byte
	err = from.Export(ctx, domain.Principal{Local: true}, func(user domain.UserID, p domain.Presence) (err error) {
		if line, err = backup.Append(line[:0], user, &p); err != nil {
			return err
		}
		count++
		shown.draw("exporting: %d", count)
		_, err = buffered.Write(line)
		return err
	})
	if err == nil {
		err = buffered.Flush()
	}
	return count, orInterrupted(ctx, err)
}

// replaceFile makes a file of what write writes, in one step when all of it is on the disk. What is not a file, such as a pipe, is written as
// it is.
func replaceFile(name string, write func(io.Writer) error) error {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().IsRegular() {
		return makeFile(name, write, os.Rename)
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a directory", name)
	}
	file, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // the caller names it
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// makeFile makes a file of what write writes. It has its mode, 0600, and all of it is on the disk, when publish gives it its name.
func makeFile(name string, write func(io.Writer) error, publish func(from, to string) error) error {
	temporary, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // unless it was renamed
	if err := errors.Join(write(temporary), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	return publish(temporary.Name(), name)
}
