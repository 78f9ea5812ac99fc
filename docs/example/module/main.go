// The daemon, with one more protocol: a second IRC network.
package main

import (
	"github.com/zarafa/presence/daemon"

	"example.test/presence-ircnet/irc"
)

func main() { daemon.Main(daemon.Protocol("ircnet", irc.DefaultConfig, irc.Module)) }
