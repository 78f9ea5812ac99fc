// Command zarafa-presence is the daemon and its tools: serve runs it, check looks at a configuration, get, set, clear and watch ask a running one,
// token makes a token, export and import write all presences to a file and back.
package main

import "github.com/zarafa/presence/daemon"

func main() { daemon.Main() }
