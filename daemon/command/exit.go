package command

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zarafa/presence/daemon/internal/suggest"
)

// The exit codes, as the help text of the root command and docs/configuration.md list them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitUnreachable = 4
)

// codedError is an error that decides the exit code.
type codedError struct {
	code int
	err  error
}

// Error returns the reason.
func (e codedError) Error() string { return e.err.Error() }

// Unwrap returns the reason.
func (e codedError) Unwrap() error { return e.err }

func coded(code int, err error) error {
	if err == nil {
		return nil
	}
	return codedError{code, err}
}

func usageError(format string, args ...any) error {
	return codedError{exitUsage, fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	var with codedError
	if errors.As(err, &with) {
		return with.code
	}
	return exitFailed
}

// flagError says which flag may have been meant.
func flagError(command *cobra.Command, err error) error {
	hint := ""
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		command.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, "--"+flag.Name) })
		hint = suggest.DidYouMean("--"+unknown.GetSpecifiedName(), names)
	}
	return usageError("%w%s%s", err, hint, seeHelp(command))
}

func seeHelp(command *cobra.Command) string {
	return fmt.Sprintf(" (see: %s --help)", command.CommandPath())
}

// usageArgs makes the complaint of an argument check a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(command, args); err != nil {
			return usageError("%w%s", err, seeHelp(command))
		}
		return nil
	}
}

// unknownCommand is the check of the root command, which has nothing to do itself.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, command := range root.Commands() {
		names = append(names, command.Name())
	}
	return fmt.Errorf("unknown command %q%s", args[0], suggest.DidYouMean(args[0], names))
}

// between is a check for the number of arguments that says which are expected. Without a most there may be any number.
func between(least, most int, expected string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("missing arguments: expected %s", expected)
		case most > 0 && len(args) > most:
			return fmt.Errorf("too many arguments from %q on: expected %s", args[most], expected)
		}
		return nil
	}
}
