// Package xmpptest runs real XMPP servers for tests, Prosody and ejabberd from Debian's packages, and has a small client that
// acts as their users. The servers listen on free ports of 127.0.0.1, keep their files in a temporary folder, and have generated
// certificates. Both have the same API: Start a server of each of Kinds, Login its users, and let them Show something.
//
// If a server is not installed the test fails; it is never skipped. The tests of adapters/xmpp, the daemon's end-to-end
// test and the demo use it.
package xmpptest

// TB is the part of testing.TB that this package needs. The demo implements it too.
type TB interface {
	Helper()
	// Cleanup registers a function that is called at the end. The last one registered is called first.
	Cleanup(end func())
	// TempDir makes a folder that is removed at the end.
	TempDir() string
	// Fatal and Fatalf report an error and do not return.
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}
