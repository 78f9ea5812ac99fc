// Package xmpptest runs real XMPP servers for tests, Prosody and ejabberd from Debian's packages, and has a small client to
// act as their users. It listens on free ports of 127.0.0.1, keeps everything in a scratch folder, and makes its own
// certificates. One set of functions serves both servers, so that one test can run against each:
//
//	for _, kind := range xmpptest.Kinds() {
//		t.Run(kind.String(), func(t *testing.T) {
//			server := xmpptest.Start(t, kind, xmpptest.Options{})
//			phone := server.Login(t, "alice", "phone")
//			phone.Show("dnd", "in a meeting")
//		})
//	}
//
// A server that is not installed fails the test: nothing is ever skipped. The tests of adapters/xmpp, the daemon's end-to-end
// test and the demo use it.
package xmpptest
