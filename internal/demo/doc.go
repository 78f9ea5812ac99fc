// Command demo shows the daemon at work: a real XMPP server (Prosody) with a dozen made-up colleagues whose presence changes about every
// second, web-meeting clients that come and go, and people who set themselves busy for a while. `make demo` runs it.
//
// people.go and scenario.go say who does what when, and know no server. player.go carries that out, like the clients of each protocol, on
// the servers that servers.go has started.
package main
