// Manual writes what a package of the daemon has beside the program itself: the manual pages, one for each command and one for the configuration
// file, and the shells' completions. It is a program of its own, so that the daemon does not contain what makes them.
//
//	manual VERSION DIR
//
// SOURCE_DATE_EPOCH, in seconds, is the date of the pages.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/daemon/command"
	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/daemon/internal/wiring"
)

func main() {
	if err := run(os.Args[1:], os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(1)
	}
}

func run(args []string, epoch string) error {
	if len(args) != 2 {
		return errors.New("usage: manual VERSION DIR")
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	dir, date := args[1], time.Unix(seconds, 0).UTC()
	root, err := command.Tree(wiring.BuiltIn())
	if err != nil {
		return err
	}
	if err := writeCompletions(root, filepath.Join(dir, "completions")); err != nil {
		return err
	}
	if err := writeCommands(root, args[0], date, filepath.Join(dir, "man1")); err != nil {
		return err
	}
	keys, err := config.Keys(wiring.Sections(wiring.BuiltIn())...)
	if err != nil {
		return err
	}
	return create(filepath.Join(dir, "man5", "zarafa-presence.yaml.5"), func(w io.Writer) error {
		_, err := w.Write(filePage(keys, args[0], date))
		return err
	})
}

// writeCompletions writes one file for each shell, under the name that the shell looks for.
func writeCompletions(root *cobra.Command, dir string) error {
	return errors.Join(
		create(filepath.Join(dir, "zarafa-presence"), func(w io.Writer) error { return root.GenBashCompletionV2(w, true) }),
		create(filepath.Join(dir, "_zarafa-presence"), root.GenZshCompletion),
		create(filepath.Join(dir, "zarafa-presence.fish"), func(w io.Writer) error { return root.GenFishCompletion(w, true) }),
	)
}

// create makes a file, and its directory, of what write writes.
func create(name string, write func(io.Writer) error) error {
	var content bytes.Buffer
	if err := write(&content); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // everybody reads them
		return err
	}
	return os.WriteFile(name, content.Bytes(), 0o644) //nolint:gosec // the same
}
