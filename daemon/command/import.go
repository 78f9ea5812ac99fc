package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/adapters/http/backup"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

const importLong = `Reads presences from FILE, or from standard input if there is none or it is "-", as export has written them. A presence is taken over if
none is stored, or if the stored one was updated earlier; so importing a file again changes nothing, and what users have done meanwhile
stays. First every line is checked: if one is wrong nothing is imported.
` + backupLong

// maxFaults is how many wrong lines are named.
const maxFaults = 20

func (c *cli) importing() *cobra.Command {
	var flags clientFlags
	var skip bool
	command := &cobra.Command{
		Use:     "import [--config FILE] [--skip-invalid] [FILE]",
		Short:   "Take over presences from an export",
		Long:    importLong,
		Example: "  zarafa-presence import presences.jsonl\n  gunzip < presences.jsonl.gz | zarafa-presence import",
		Args:    between(0, 1, "one file, or none"),
		RunE: func(command *cobra.Command, args []string) error {
			return c.runImport(command, flags, fileArgument(args), skip)
		},
	}
	command.Flags().BoolVar(&skip, "skip-invalid", false, "leave out lines that are wrong, and import the others")
	flags.add(command, "the first of auth.services")
	return c.addKeys(command, false)
}

func (c *cli) runImport(command *cobra.Command, flags clientFlags, name string, skip bool) error {
	ctx, stop := untilSignal(command.Context())
	defer stop()
	from, err := openLines(command.InOrStdin(), name)
	if err != nil {
		return coded(exitUsage, err)
	}
	defer from.close()
	shown := newProgress(command.ErrOrStderr())
	faults, err := from.check(ctx, shown)
	shown.clear()
	switch {
	case err != nil:
		return fmt.Errorf("nothing was imported: %w", err)
	case faults.count > 0 && !skip:
		return coded(exitUsage, faults.error(from.name))
	}
	for _, fault := range faults.texts {
		shown.say("zarafa-presence: warning: left out: %s", fault)
	}
	to, err := c.openPresences(ctx, command, flags, false)
	if err != nil {
		return err
	}
	in := importer{to: to}
	err = from.importInto(ctx, &in, skip, shown)
	if err := errors.Join(err, to.close()); err != nil {
		shown.clear()
		return fmt.Errorf("after %s: %w; import it again when that is mended: what is there already is left as it is", plural(in.imported, "presence"), err)
	}
	shown.say("%s imported into %s%s%s", plural(in.imported, "presence"), to.where,
		unlessZero(", %s left as they are", in.kept), unlessZero(", %s invalid lines left out", faults.count))
	return nil
}

func unlessZero(format string, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, fmt.Sprint(n))
}

// source is a file of lines that can be read twice.
type source struct {
	name string
	file *os.File
	size int64
}

// openLines opens a file. What cannot be read twice, such as standard input, is put into a temporary file before.
func openLines(stdin io.Reader, name string) (*source, error) {
	s := &source{name: name}
	if name == standard {
		s.name = "standard input"
		return s, s.spool(stdin)
	}
	file, err := os.Open(name) //nolint:gosec // the caller names it
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	switch {
	case err == nil && info.IsDir():
		err = fmt.Errorf("%s is a directory", name)
	case err == nil && !info.Mode().IsRegular():
		err = s.spool(file)
		return s, errors.Join(err, file.Close())
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	s.file, s.size = file, info.Size()
	return s, nil
}

// spool copies what can be read once. The file has no name, so nothing is left of it.
func (s *source) spool(from io.Reader) (err error) {
	if s.file, err = os.CreateTemp("", "zarafa-presence-import-*"); err != nil {
		return err
	}
	_ = os.Remove(s.file.Name())
	if s.size, err = io.Copy(s.file, from); err != nil {
		_ = s.file.Close()
		return fmt.Errorf("read %s: %w", s.name, err)
	}
	return nil
}

func (s *source) close() { _ = s.file.Close() }

// each calls visit with each line.
func (s *source) each(ctx context.Context, what string, shown *progress, visit func(backup.Line) error) error {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return backup.Lines(s.file, func(l backup.Line) error {
		if ctx.Err() != nil {
			return errInterrupted
		}
		shown.at(what, l.End, s.size)
		return visit(l)
	})
}

// faults are the wrong lines of a file.
type faults struct {
	count int
	texts []string // of the first ones
}

// error names them.
func (f *faults) error(name string) error {
	text := strings.Join(f.texts, "\n")
	if more := f.count - len(f.texts); more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	return fmt.Errorf("%s\nnothing was imported, because %s of %s cannot be; --skip-invalid imports the others", text, plural(f.count, "line"), name)
}

// check reads all lines, and collects what is wrong with them.
func (s *source) check(ctx context.Context, shown *progress) (found faults, err error) {
	err = s.each(ctx, "checking", shown, func(l backup.Line) error {
		if l.Err == nil {
			return nil
		}
		if found.count++; found.count <= maxFaults {
			found.texts = append(found.texts, fmt.Sprintf("%s:%d: %v", s.name, l.Number, l.Err))
		}
		return nil
	})
	return found, err
}

// importInto hands all lines that are right to an importer.
func (s *source) importInto(ctx context.Context, in *importer, skip bool, shown *progress) error {
	err := s.each(ctx, "importing", shown, func(l backup.Line) error {
		switch {
		case l.Err == nil:
			return in.add(ctx, l.Change)
		case skip:
			return nil
		}
		return fmt.Errorf("%s:%d: %w", s.name, l.Number, l.Err) // the file has changed since it was checked
	})
	if err != nil {
		return err
	}
	return in.flush(ctx)
}

// importBatch is how many presences are written at once. However long their messages are, they make less than the 1 MiB that a NATS
// server takes unless it is told otherwise.
const importBatch = 200

// importer imports presences, many at once.
type importer struct {
	to             ports.Backup
	batch          []domain.Change
	imported, kept int
}

// add imports a presence, at the latest with the next flush.
func (i *importer) add(ctx context.Context, change domain.Change) error {
	if i.batch = append(i.batch, change); len(i.batch) < importBatch {
		return nil
	}
	return i.flush(ctx)
}

// flush imports what has been added.
func (i *importer) flush(ctx context.Context) error {
	if len(i.batch) == 0 {
		return nil
	}
	written, err := i.to.Import(ctx, i.batch)
	i.imported += written
	switch {
	case err != nil && ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		return err
	}
	i.kept += len(i.batch) - written
	i.batch = i.batch[:0]
	return nil
}
