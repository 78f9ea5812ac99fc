// Package domain holds the rules of presence: what a status is, how each protocol's own states map onto it, how several
// devices and several protocols make one answer, when a presence expires, and who may change whose.
//
// Everything here is a value or a pure function: no I/O, no clock, no goroutine, nothing but the standard library and the tables of Unicode and IDNA. The
// current time is always an argument. All of it may be used concurrently as long as no value is changed while shared.
//
// Its callers are the use cases in package app and, for parsing and mapping, the adapters.
package domain
