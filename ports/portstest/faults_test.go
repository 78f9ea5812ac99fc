package portstest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// plantedFault is a fault that is planted in the subject of a suite, and how the suite is to catch it.
type plantedFault[F any] struct {
	name  string
	fault F
	want  string // words of the sentence that catches it, or what is said of any Run; empty: nothing is to be caught
}

// catchesFaults runs a suite, in fake time, on subjects with one fault each. The suite has to catch every fault, and every sentence of it a fault.
func catchesFaults[S, F any](t *testing.T, contracts []contract[S], faults []plantedFault[F], stage func(testing.TB, F) S) {
	for _, c := range contracts {
		if !slices.ContainsFunc(faults, func(p plantedFault[F]) bool { return p.want != "" && strings.Contains(c.sentence, p.want) }) {
			t.Errorf("no planted fault breaks: %s", c.sentence)
		}
	}
	for _, p := range faults {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			caught := failuresInFakeTime(t, contracts, func(t testing.TB) S { return stage(t, p.fault) })
			if p.want == "" && len(caught) > 0 {
				t.Errorf("caught is %s", strings.Join(caught, "\n"))
			}
			if !slices.ContainsFunc(caught, func(failure string) bool { return strings.Contains(failure, p.want) }) && p.want != "" {
				t.Errorf("nothing says %q; caught is only:\n%s", p.want, strings.Join(caught, "\n"))
			}
		})
	}
}

// failuresInFakeTime returns what a suite says of a subject: each failure after its sentence.
func failuresInFakeTime[S any](t *testing.T, contracts []contract[S], stage func(testing.TB) S) (all []string) {
	for _, c := range contracts {
		synctest.Test(t, func(t *testing.T) {
			for _, failure := range failuresOf(t, func(t testing.TB) { c.check(t, stage(t)) }) {
				all = append(all, c.sentence+": "+failure)
			}
			time.Sleep(5 * time.Minute) // what a fault has left behind ends by itself, or with its server
		})
	}
	return all
}

// failed is a test whose failures are kept instead of reported.
type failed struct {
	testing.TB

	ctx      context.Context //nolint:containedctx // what Context returns
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

// failuresOf runs a test, and returns how it fails.
func failuresOf(t testing.TB, test func(testing.TB)) []string {
	ctx, cancel := context.WithCancel(t.Context())
	f := &failed{TB: t, ctx: ctx}
	run := func(part func()) {
		done := make(chan struct{})
		go func() { // FailNow ends the goroutine
			defer close(done)
			part()
		}()
		<-done
	}
	run(func() { test(f) })
	cancel()
	for _, cleanup := range slices.Backward(f.cleanups) {
		run(cleanup)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.failures)
}

func (*failed) Helper()                    {}
func (f *failed) Context() context.Context { return f.ctx }
func (f *failed) Cleanup(cleanup func())   { f.cleanups = append(f.cleanups, cleanup) }
func (f *failed) Error(args ...any)        { f.note(fmt.Sprint(args...)) }
func (f *failed) Fatal(args ...any)        { f.note(fmt.Sprint(args...)); runtime.Goexit() }

func (f *failed) Errorf(format string, args ...any) { f.note(fmt.Sprintf(format, args...)) }

func (f *failed) Fatalf(format string, args ...any) {
	f.note(fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func (f *failed) note(failure string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures = append(f.failures, failure)
}
