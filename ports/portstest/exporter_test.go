package portstest

import "testing"

// TestExporterSuite runs the suite on an exporter that keeps the contract, and on exporters with one fault each.
func TestExporterSuite(t *testing.T) {
	t.Parallel()
	catchesFaults(t, exporterContract, []plantedFault[exportFault]{
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
	}, func(_ testing.TB, f exportFault) ExporterStage { return plainStage(f) })
}
