// The daemon, with one more protocol.
package main

import (
	"github.com/zarafa/presence/daemon"

	"example.test/presence-irc/irc"
)

func main() { daemon.Main(daemon.Protocol("irc", irc.DefaultConfig, irc.Module)) }
