// Package xmpp is the source that watches many users through one XMPP account (RFC 6120, RFC 6121). Package app calls it
// through ports.Source: New makes a Source, Run is one connection.
//
// # How a connection is made
//
// The protocol itself is go-xmpp's. That library knows no context, can wait for ever while it connects and while it closes,
// and sets no bounds to what a server sends. So it never talks to the server itself: it dials a relay on 127.0.0.1 that this
// package owns (relay.go), and the relay is connected to the server (dial.go). TLS stays end to end between library and
// server. Cutting the relay ends every call into the library, and the library's own Close is never called.
//
// What the library decrypts passes a guard (guard.go) before it is parsed. The guard bounds the size of a stanza and refuses
// what would make the library compute or connect beyond our control.
//
// # Who is watched
//
// A presence counts if it comes from a contact of the account (a roster entry with subscription to or both) or from a
// trusted host: the account's own and each key of domain_map. The latter makes a server's privilege to see all of its users
// (XEP-0356) work without any roster entry; a server vouches for the addresses of its own users, so nobody can speak for
// another. All else is ignored: the account's own resources, chat rooms, strangers who send a directed presence.
//
// Several JIDs can stand for one user (domain_map, strip_domain). A device is named by its full JID, so that the devices of one JID can be taken
// away while those of another stay. The user is forgotten with the last of the JIDs (contacts.go).
//
// Nothing is kept here but who is a contact, and whose presence was reported. The use cases count and bound what they are told, and say if
// there was no room: then nothing is kept here either.
//
// # Goroutines
//
// Run's own goroutine waits. One receives: it alone calls the library's Recv. One handles what was received, and owns everything in the session
// type. One sends the keep-alive pings. One watches whether the privilege still
// works, with a second connection if there is a privilege (witness.go). The relay has two that copy, and two that close its connections when it is cut. All have ended when Run
// returns.
package xmpp
