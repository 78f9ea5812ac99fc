package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/adapters/http/backup"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

func (c *cli) importing() *cobra.Command {
	command := c.asking(&cobra.Command{
		Use:   "import [--config FILE] [--skip-invalid] [FILE]",
		Short: "Take over presences from an export",
		Long: `Reads presences from FILE, or from standard input if there is none or it is "-", as export has written them. A presence is taken
over if none is stored, or if the stored one was updated earlier; so importing a file again changes nothing, and what users have done
meanwhile stays. First all lines are read: if one is wrong nothing is imported.
` + backupLong,
		Example: "  zarafa-presence import presences.jsonl\n  gunzip < presences.jsonl.gz | zarafa-presence import",
		Args:    between(0, 1, "one file, or none"),
		RunE:    c.runImport,
	}, fullestService)
	command.Flags().BoolVar(&c.skip, "skip-invalid", false, "leave out lines that are wrong, and import the others")
	return command
}

func (c *cli) runImport(command *cobra.Command, args []string) error {
	ctx, stop := untilSignal(command.Context())
	defer stop()
	shown := newProgress(command.ErrOrStderr())
	from, err := readLines(ctx, command.InOrStdin(), append(args, standard)[0], shown)
	shown.clear()
	if err == nil && from.wrong > 0 && !c.skip {
		err = from.refused()
	}
	if err != nil {
		return err
	}
	for _, fault := range from.faults {
		shown.say("zarafa-presence: warning: left out: %s", fault)
	}
	to, err := c.presences(ctx, command, false)
	if err != nil {
		return err
	}
	imported, err := importAll(ctx, to, from.presences, shown)
	if err := errors.Join(err, to.Close()); err != nil {
		shown.clear()
		return fmt.Errorf("after %s: %w; import it again when that is mended: what is there already is left as it is", plural(imported, "presence"), err)
	}
	outcome := plural(imported, "presence") + " imported into " + to.Where
	if left := len(from.presences) - imported; left > 0 {
		outcome += fmt.Sprintf(", %d left as they are", left)
	}
	if from.wrong > 0 {
		outcome += fmt.Sprintf(", %d invalid lines left out", from.wrong)
	}
	shown.say("%s", outcome)
	return nil
}

// maxFaults is how many wrong lines are named.
const maxFaults = 20

// exportFile is what was read.
type exportFile struct {
	name      string
	presences []domain.Change
	wrong     int      // how many lines are wrong
	faults    []string // of the first ones
}

// readLines reads a file, or standard input, to its end.
func readLines(ctx context.Context, from io.Reader, name string, shown *progress) (*exportFile, error) {
	found := &exportFile{name: "standard input"}
	if name != standard {
		file, err := os.Open(name) //nolint:gosec // the caller names it
		if err != nil {
			return nil, coded(exitUsage, err)
		}
		defer func() { _ = file.Close() }() // it was only read
		if info, err := file.Stat(); err == nil && info.IsDir() {
			return nil, usageError("%s is a directory", name)
		}
		from, found.name = file, name
	}
	err := backup.Lines(from, func(l backup.Line) error {
		if l.Err == nil {
			found.presences = append(found.presences, l.Change)
		} else if found.wrong++; found.wrong <= maxFaults {
			found.faults = append(found.faults, fmt.Sprintf("%s:%d: %v", found.name, l.Number, l.Err))
		}
		shown.draw("reading: %d", l.Number)
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("nothing was imported: %w", orInterrupted(ctx, err))
	}
	return found, nil
}

// refused names the lines that are wrong.
func (f *exportFile) refused() error {
	text := strings.Join(f.faults, "\n")
	if more := f.wrong - len(f.faults); more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	return usageError("%s\nnothing was imported, because %s of %s cannot be; --skip-invalid imports the others", text, plural(f.wrong, "line"), f.name)
}

// importBatch is how many presences are written at once. However long their messages are, they make less than the 1 MiB that a NATS
// server takes unless it is told otherwise.
const importBatch = 200

// importAll imports presences, many at once, and returns how many were written.
func importAll(ctx context.Context, to ports.Backup, presences []domain.Change, shown *progress) (imported int, err error) {
	done := 0
	for batch := range slices.Chunk(presences, importBatch) {
		written, err := to.Import(ctx, domain.Principal{Local: true}, batch)
		if imported += written; err != nil {
			return imported, orInterrupted(ctx, err)
		}
		done += len(batch)
		shown.draw("importing: %d of %d", done, len(presences))
	}
	return imported, nil
}
