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
// Several JIDs can stand for one user (domain_map, strip_domain). Their devices are named so that they differ (devices.go), and the
// user is forgotten with the last of the JIDs (contacts.go).
//
// # What is kept
//
// The use cases count and bound what they are told, and say when there is no room for more users or devices. Then nothing more is kept here
// either. Each available device is known by its name, which all reports of it share, so that the devices of one JID can be ended while
// those of another JID of the user stay. Further JIDs of a user are bounded here (contacts.go).
//
// # Goroutines
//
// Run's own goroutine waits, and passes on who has become unavailable (delayed.go). One receives: it alone calls the library's Recv and owns
// everything in the session type. One sends the keep-alive pings. Two copy bytes in the relay. All have ended when Run returns.
package xmpp
