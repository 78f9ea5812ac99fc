package portstest

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestExporterSuite runs the suite on an exporter that keeps the contract, and on exporters with one fault each.
func TestExporterSuite(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault exportFault
		want  string // words of the sentence that catches it, or what is said of any Run; empty: nothing is to be caught
	}{
		{"none", exportsWell, ""},
		{"a name without a kind", namesNobody, "an exporter has a name"},
		{"another description each time", renamesItself, "an exporter has a name"},
		{"the third user of the news is left out", skipsUsers, "everybody who is given is told"},
		{"every other change is left out", skipsChanges, "every change that lasts"},
		{"what was told first is told again", repeatsTheOldest, "no older state is told after a newer one"},
		{"what waits is not superseded", tellsTheOldest, "and then it is told the latest"},
		{"what the receiver knows is told", tellsTheKnown, "what the receiver knows is not told again"},
		{"what changes of it is not", skipsWhatHasChanged, "and what changes of it is"},
		{"nothing is acknowledged", neverAcknowledges, "what was told is acknowledged"},
		{"what the receiver knows is not acknowledged", forgetsTheKnown, "and what needs not be told"},
		{"what waits is acknowledged", acknowledgesTooSoon, "nothing is acknowledged that the receiver has not taken"},
		{"nothing is counted", countsNothing, "nothing is acknowledged that the receiver has not taken"},
		{"no news while something waits", asksNoMore, "while the receiver takes nothing the outbox is asked on"},
		{"every state is kept and told", tellsEveryState, "and then it is told the latest"},
		{"a halt is ignored", ignoresHalts, "nothing is told while the outbox says so"},
		{"the second Run does nothing", runsOnce, "Run can be called again"},
		{"a stop that blocks if there is nobody", hangsUnreachable, "if there is nobody"},
		{"a stop that blocks if the receiver is silent", hangsSilent, "if the receiver says nothing"},
		{"a context that has ended before is ignored", tellsAfterTheEnd, "Run does nothing if its context has ended before"},
		{"the end of the outbox is ignored", missesTheEnd, "an outbox that has no news any more ends Run"},
		{"the outbox is called when Run has returned", asksAfterTheEnd, "the outbox is not called any more"},
		{"a goroutine is left", leavesGoroutine, "this goroutine of it is left"},
		{"a secret in an error", tellsSecret, "an error contains a secret"},
	}
	for _, c := range exporterContract {
		caught := slices.ContainsFunc(tests, func(test struct {
			name  string
			fault exportFault
			want  string
		}) bool {
			return test.want != "" && strings.Contains(c.sentence, test.want)
		})
		if !caught {
			t.Errorf("no planted fault breaks: %s", c.sentence)
		}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			caught := exportFailures(t, test.fault)
			if test.want == "" && len(caught) > 0 {
				t.Errorf("caught is %s", strings.Join(caught, "\n"))
			}
			if !slices.ContainsFunc(caught, func(failure string) bool { return strings.Contains(failure, test.want) }) && test.want != "" {
				t.Errorf("nothing says %q; caught is only:\n%s", test.want, strings.Join(caught, "\n"))
			}
		})
	}
}

// exportFailures returns what the suite says of an exporter with a fault, in fake time: each failure after its sentence.
func exportFailures(t *testing.T, f exportFault) (all []string) {
	for _, c := range exporterContract {
		synctest.Test(t, func(t *testing.T) {
			for _, failure := range failuresOf(t, func(t testing.TB) { c.check(t, plainStage(f)) }) {
				all = append(all, c.sentence+": "+failure)
			}
			time.Sleep(5 * time.Minute) // what a fault has left behind ends by itself
		})
	}
	return all
}
