package command

import (
	"errors"
	"fmt"
)

// The exit codes, as the help text of the root command and docs/configuration.md list them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitRefused     = 3
	exitUnreachable = 4
	exitTimeout     = 5
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
