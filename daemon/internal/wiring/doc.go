// Package wiring puts the daemon together: it names the configuration's sections, reads them, and connects adapters and use cases
// with fx. The commands in cmd/zarafa-presence call it.
//
// It is the only package that knows every adapter. A new protocol is one line in the table in protocols.go. Everything is made by
// plain constructors; a protocol that is not enabled is not part of the daemon at all.
package wiring
