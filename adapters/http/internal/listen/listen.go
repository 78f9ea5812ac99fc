package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Open listens. The mode is a Unix socket's. The error is a sentence.
func Open(ctx context.Context, address Address, mode uint32) (net.Listener, error) {
	if address.Network == Unix {
		return openUnix(ctx, address.Name, mode)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, TCP, address.Name)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		err = fmt.Errorf("%s is taken by another program: %w", address.Name, err)
	case errors.Is(err, syscall.EACCES):
		err = fmt.Errorf("this user may not listen on %s; a port below 1024 needs CAP_NET_BIND_SERVICE: %w", address.Name, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		err = fmt.Errorf("%s is not an address of this machine: %w", address.Name, err)
	}
	return listener, err
}
