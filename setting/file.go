package setting

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// readWithin is how long a pipe may take to give what it has, such as one that a shell has made of a command.
const readWithin = 5 * time.Second

// ReadFile returns what a file holds. It refuses one of more than most bytes without reading it to its end, and a pipe that gives nothing: of a pipe
// with a writer it waits five seconds. The error names the file.
func ReadFile(name string, most int64) (text []byte, err error) {
	// Without O_NONBLOCK, to open a pipe would wait for a writer.
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the administrator says which
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_ = file.SetReadDeadline(time.Now().Add(readWithin)) // what is no pipe has none, and is never waited for
	text, err = io.ReadAll(io.LimitReader(file, most+1))
	info, fault := file.Stat()
	isPipe := fault == nil && info.Mode()&os.ModeNamedPipe != 0
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), err == nil && len(text) == 0 && isPipe:
		err = fmt.Errorf("%s: it is a pipe that gives nothing", name)
	case err == nil && int64(len(text)) > most:
		err = fmt.Errorf("%s: it is longer than %d bytes", name, most)
	}
	return text, err
}
