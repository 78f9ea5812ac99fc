package listen

import (
	"errors"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// Passed are the sockets that systemd has opened for this process (sd_listen_fds(3)), by their FileDescriptorName=.
type Passed struct {
	Admin []net.Listener // those named admin
	HTTP  []net.Listener // all others
}

const nameAdmin = "admin"

// TakePassed returns the sockets that were passed to this process, to whoever asks first: it removes the variables that tell of them.
func TakePassed() (passed Passed, err error) {
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

// Close closes all of them.
func (p Passed) Close() {
	for _, listeners := range [][]net.Listener{p.Admin, p.HTTP} {
		for _, listener := range listeners {
			_ = listener.Close() // nobody has used it
		}
	}
}
