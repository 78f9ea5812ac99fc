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
	error
	code int
}

// Unwrap returns the reason.
func (e codedError) Unwrap() error { return e.error }

func coded(code int, err error) error {
	if err == nil {
		return nil
	}
	return codedError{err, code}
}

func usageError(format string, args ...any) error {
	return coded(exitUsage, fmt.Errorf(format, args...))
}

func exitCode(err error) int {
	if with, ok := errors.AsType[codedError](err); ok {
		return with.code
	}
	return exitFailed
}

// intended says which flag or command may have been meant instead of one that there is not.
func intended(command *cobra.Command, err error) string {
	word, names := command.Flags().Arg(0), []string{}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		word = "--" + unknown.GetSpecifiedName()
		command.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, "--"+flag.Name) })
	}
	for _, other := range command.Commands() {
		names = append(names, other.Name())
	}
	return suggest.DidYouMean(word, names)
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
