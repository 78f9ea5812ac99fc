// Package daemon is the zarafa-presence daemon with all its commands, for a program that is it, or that adds protocols to it. Such a program is
//
//	package main
//
//	import (
//		"github.com/zarafa/presence/daemon"
//
//		"example.test/presence-mqtt/mqtt"
//	)
//
//	func main() { daemon.Main(daemon.Protocol("mqtt", mqtt.DefaultConfig, mqtt.Module)) }
package daemon

import (
	"os"

	"go.uber.org/fx"

	"github.com/zarafa/presence/daemon/command"
	"github.com/zarafa/presence/daemon/internal/wiring"
)

// Extra is something that a program adds to the daemon. Make it with Protocol.
type Extra = wiring.Protocol

// Main carries out the command line of the process, with the protocols that come with the daemon and some more, and ends the process with
// the exit code that docs/configuration.md explains.
func Main(extra ...Extra) {
	os.Exit(command.Run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ(), append(wiring.BuiltIn(), extra...)))
}

// Protocol adds a protocol under a name, which is the one that its presences have, that of its section in the configuration, and the one that the
// key protocols lists.
//
// C is the struct of its configuration, whose fields have the tags koanf:"key" and help:"text"; see package setting for the types that they can
// have. Its methods Validate() error and Warnings() []string, if it has them, are called for a protocol that is on: each line of theirs begins
// with the key, such as "mqtt.url: ". A protocol is on if the key protocols lists it, or if C has a method On() bool that says so.
//
// The module provides what makes the protocol of a C, one of
//
//	func(C) (ports.Source, error)          // it is watched in the background
//	func(C) (domain.ClientProtocol, error) // clients set it
//
// which is called only for a protocol that is on, and may be called again with another C. The module may ask for a *slog.Logger, which
// names the protocol in each line, and for a ports.Clock, ports.Identities and ports.TimeZones.
func Protocol[C any](name string, defaults func() C, module fx.Option) Extra {
	return wiring.NewProtocol(name, defaults, module)
}
