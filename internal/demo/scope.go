package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/zarafa/presence/internal/xmpptest"
)

var _ xmpptest.TB = (*scope)(nil)

// scope collects cleanup functions and implements xmpptest.TB, so that the demo can use what was made for tests.
type scope struct{ ends []func() }

// failure is what Fatal panics with.
type failure string

func (f failure) Error() string { return string(f) }

// catch calls do and returns its failure, if do called Fatal or Fatalf.
func catch(do func()) (err error) {
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case failure:
			err = reason
		default:
			panic(reason)
		}
	}()
	do()
	return nil
}

// Helper does nothing: no test's lines are reported.
func (*scope) Helper() {}

// Cleanup registers a function that end calls.
func (s *scope) Cleanup(end func()) { s.ends = append(s.ends, end) }

// TempDir makes a folder that only this user can read. end removes it.
func (s *scope) TempDir() string {
	dir, err := os.MkdirTemp("", "zarafa-presence-demo-*")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Fatal does not return: catch returns its message.
func (*scope) Fatal(args ...any) { panic(failure(fmt.Sprint(args...))) }

// Fatalf does not return: catch returns its message.
func (*scope) Fatalf(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }

// end calls the cleanup functions, last first. It may be called more than once.
func (s *scope) end() {
	ends := s.ends
	s.ends = nil
	for _, end := range slices.Backward(ends) {
		end()
	}
}
