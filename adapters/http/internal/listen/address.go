// Package listen opens the sockets on which the server listens: a TCP port, a Unix socket, or those that systemd has opened and passes on.
package listen

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// The networks of an Address.
const (
	TCP  = "tcp"
	Unix = "unix"
)

const (
	unixPrefix = "unix:"
	maxPath    = 107 // bytes of a Unix socket's path (unix(7))
)

// Address is where to listen.
type Address struct {
	Network string // TCP or Unix
	Name    string // host:port, or a path
}

// Parse reads an address: host:port, or unix: and a path.
func Parse(text string) (Address, error) {
	if path, ok := strings.CutPrefix(text, unixPrefix); ok {
		switch {
		case !filepath.IsAbs(path):
			return Address{}, fmt.Errorf("the path in %q must begin with a slash, e.g. unix:/run/zarafa-presence/http.sock", text)
		case len(path) > maxPath:
			return Address{}, fmt.Errorf("the path in %q is longer than the %d bytes that a Unix socket's may have", text, maxPath)
		}
		return Address{Unix, filepath.Clean(path)}, nil
	}
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return Address{}, fmt.Errorf("%q is not host:port, e.g. 127.0.0.1:1234, nor unix: and a path, e.g. unix:/run/zarafa-presence/http.sock", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil { // 0 is any free one
		return Address{}, fmt.Errorf("the port in %q must be a number from 0 to 65535", text)
	}
	return Address{TCP, text}, nil
}

// AddressOf returns the address of a listener.
func AddressOf(bound net.Addr) Address { return Address{bound.Network(), bound.String()} }

// URL is where a server is to be found from this machine: http://host:port/, or https, or unix: and a path.
func (a Address) URL(secure bool) string {
	if a.Network == Unix {
		return unixPrefix + a.Name
	}
	host, port, _ := net.SplitHostPort(a.Name)
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port) + "/"
}

// ParseMode reads the mode of a Unix socket, in octal.
func ParseMode(text string) (mode uint32, err error) {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o777 {
		return 0, errors.New(`must be a mode in octal from 0 to 777, e.g. "0660"`)
	}
	return uint32(n), nil
}
