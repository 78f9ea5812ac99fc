package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Passed are the sockets that systemd has opened for this process (sd_listen_fds(3)), by their FileDescriptorName=.
type Passed struct {
	Admin []net.Listener // those named admin
	HTTP  []net.Listener // all others
}

const nameAdmin = "admin"

// TakePassed returns the sockets that were passed to this process, to whoever asks first: it removes the variables that tell of them.
func TakePassed() (passed Passed, err error) {
	if err := checkPassed(); err != nil {
		return Passed{}, err
	}
	for i, file := range activation.Files(true) {
		listener, fault := net.FileListener(file)
		_ = file.Close() // the listener has a copy
		switch {
		case fault != nil:
			err = errors.Join(err, fmt.Errorf("socket %d of those that systemd has passed, %s, cannot be listened on: %w", i+1, file.Name(), fault))
		case file.Name() == nameAdmin:
			passed.Admin = append(passed.Admin, listener)
		default:
			passed.HTTP = append(passed.HTTP, listener)
		}
	}
	if err != nil {
		passed.Close()
	}
	return passed, err
}

// checkPassed refuses what is no socket to listen on, before it is touched: it may be a file descriptor that somebody else in this process uses.
func checkPassed() error {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil // they are somebody else's
	}
	n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS")) // none if it is no number
	for i := range n {
		switch listens, err := unix.GetsockoptInt(firstPassed+i, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); {
		case err != nil:
			return fmt.Errorf("LISTEN_FDS says that systemd has passed %d sockets, and number %d is none: %w", n, i+1, err)
		case listens == 0:
			return fmt.Errorf("socket %d of those that systemd has passed, %s, cannot be listened on: it needs ListenStream= and Accept=no", i+1, nameOf(i))
		}
	}
	return nil
}

// nameOf returns the FileDescriptorName= of a socket that was passed.
func nameOf(i int) string {
	if names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":"); i < len(names) && names[i] != "" {
		return names[i]
	}
	return "which has no name"
}

const firstPassed = 3 // SD_LISTEN_FDS_START

// Close closes all of them.
func (p Passed) Close() {
	for _, listeners := range [][]net.Listener{p.Admin, p.HTTP} {
		for _, listener := range listeners {
			_ = listener.Close() // nobody has used it
		}
	}
}
