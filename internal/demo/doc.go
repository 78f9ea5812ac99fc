// Command demo shows the daemon at work: a real XMPP server (Prosody) with a dozen made-up colleagues whose states change every second or
// so, web-meeting clients that come and go, and people who set themselves busy for a while. `make demo` runs it.
//
// The play is separate from its production: cast.go and script.go say who does what when, and know no server; performance.go makes it
// so on the servers that stage.go has set up, as the clients of each protocol would.
package main
