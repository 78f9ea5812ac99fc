// Command presence-beacon is the daemon with one more protocol.
package main

import (
	"github.com/zarafa/presence/daemon"

	"example.test/presence-beacon/beacon"
)

func main() { daemon.Main(daemon.Protocol("beacon", beacon.DefaultConfig, beacon.Module)) }
