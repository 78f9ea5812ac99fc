package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/zarafa/presence/internal/xmpptest"
)

const prosody = "/usr/bin/prosody"

// servers are the XMPP server and the daemon.
type servers struct {
	*scope
	xmpp   *xmpptest.Server
	daemon *daemon
}

// startServers starts the servers. Even if it fails, everything that it started ends with s.
func startServers(s *scope, options options) *servers {
	users := make([]string, len(people))
	for i, p := range people {
		users[i] = p.name
	}
	server := xmpptest.Start(s, xmpptest.Prosody, xmpptest.Options{Users: users})
	return &servers{scope: s, xmpp: server, daemon: startDaemon(s, options.daemon, options.listen, server)}
}

// check looks for what would prevent the servers from starting, before any is started.
func check(options options, prosody string) error {
	if _, err := os.Stat(prosody); err != nil {
		return fmt.Errorf("the demo needs the XMPP server Prosody, and there is no %s.\nOn Debian or Ubuntu: sudo apt-get install prosody", prosody)
	}
	if _, err := os.Stat(options.daemon); err != nil {
		return fmt.Errorf("there is no daemon to show: %w; `make demo` builds it, and -daemon names another", err)
	}
	if err := free(options.listen); err != nil {
		var address *net.AddrError
		if errors.As(err, &address) {
			return fmt.Errorf("-listen: %w; expected host:port, e.g. 127.0.0.1:8123", address)
		}
		return fmt.Errorf("the daemon cannot listen there: %w; another place: make demo ARGS=-listen=127.0.0.1:8123", err)
	}
	return nil
}

// ended returns an error once a server has ended by itself.
func (s *servers) ended() error {
	select {
	case <-s.daemon.process.Done():
		return fmt.Errorf("the daemon has ended:\n%s", strings.TrimSpace(s.daemon.logText()))
	case <-s.xmpp.Done():
		return fmt.Errorf("Prosody has ended:\n%s", strings.TrimSpace(s.xmpp.Log())) //nolint:staticcheck // it is a name
	default:
		return nil
	}
}
