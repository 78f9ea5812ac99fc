package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/zarafa/presence/internal/xmpptest"
)

var _ xmpptest.TB = (*scope)(nil)

// scope collects what has to be undone at the end of something, as a test does.
type scope struct{ ends []func() }

// failure is what ends the demo before somebody wants it to.
type failure string

func (f failure) Error() string { return string(f) }

// guard runs something and returns what made it fail.
func guard(do func()) (err error) {
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

// Helper does nothing: there are no lines of a test to be reported.
func (*scope) Helper() {}

// Cleanup registers something to be done by end.
func (s *scope) Cleanup(end func()) { s.ends = append(s.ends, end) }

// TempDir returns a fresh folder, for this user alone.
func (s *scope) TempDir() string {
	dir, err := os.MkdirTemp("", "zarafa-presence-demo-*")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Fatal does not return: guard does.
func (*scope) Fatal(args ...any) { panic(failure(fmt.Sprint(args...))) }

// Fatalf does not return: guard does.
func (*scope) Fatalf(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }

// end undoes everything, last first. It may be called again.
func (s *scope) end() {
	ends := s.ends
	s.ends = nil
	for _, end := range slices.Backward(ends) {
		end()
	}
}
