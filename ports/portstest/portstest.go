// Package portstest holds the contract suites of the driven ports that have several adapters: sources, journals, and verifiers of tokens. An adapter proves itself with
// one call from its own tests:
//
//	func TestContract(t *testing.T) { portstest.Journal(t, func(t testing.TB) portstest.JournalStage { ... }) }
//
// Each case carries the sentence of the contract that it checks, so a failure reads as the promise that was broken. The suites
// are called by the tests of adapters; nothing in the daemon imports them.
package portstest

import (
	"testing"
	"time"
)

// patience is how long a suite waits for what must happen, before it calls it a failure. Nothing waits that long in passing.
const patience = 10 * time.Second

// contract is one sentence and the test of it, which takes a testing.TB so that the suites can be tested.
type contract[T any] struct {
	sentence string
	check    func(t testing.TB, subject T)
}

// run checks each sentence on a subject of its own.
func run[T any](t *testing.T, contracts []contract[T], subject func(t testing.TB) T) {
	for _, c := range contracts {
		t.Run(c.sentence, func(t *testing.T) { c.check(t, subject(t)) })
	}
}
