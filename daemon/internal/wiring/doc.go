// Package wiring puts the daemon together: it names the configuration's sections, reads them, and connects adapters and use cases
// with fx. Packages daemon and daemon/command call it.
//
// It is the only package that knows every adapter. A new protocol is one line in the list in protocols.go. Everything is made by
// plain constructors; a protocol that is off is not made.
package wiring
