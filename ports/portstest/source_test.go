package portstest

import "testing"

// TestSourceSuite runs the suite on a source that keeps the contract, and on sources with one fault each.
func TestSourceSuite(t *testing.T) {
	t.Parallel()
	catchesFaults(t, sourceContract, []plantedFault[fault]{
		{"none", correct, ""},
		{"another description each time", describesTwice, "a source names its protocol"},
		{"a new device name for every message", renamesDevices, "a device keeps its name"},
		{"one name for all devices", mergesDevices, "each device of a user counts for itself"},
		{"unavailable is never reported", neverUnavailable, "a device that leaves is unavailable"},
		{"a stop that blocks when the server hangs after the login", blocksAtTheEnd, "if the server hangs after the login"},
		{"the observer is called when Run has returned", callsLate, "the observer is not called any more when Run has returned"},
		{"Synced before those online are reported", syncsTooSoon, "everybody who is online is reported before Synced"},
		{"no Synced", neverSyncs, "Run says Connected first and Synced later"},
		{"an id whose case is not folded", keepsCase, "is no user id as domain.ParseUserID makes it"},
		{"the status is always available", alwaysAvailable, "what a device shows is reported"},
		{"the message is dropped", dropsMessages, "what a device shows is reported"},
		{"the end of the connection is not noticed", missesClosing, "a connection that the server closes ends Run within 2 s"},
		{"silence is not noticed", missesSilence, "a server that has fallen silent ends Run within 30 s"},
		{"what an earlier Run saw is reported", keepsTheLost, "the next Run finds who is there then"},
		{"a password in an error", tellsPassword, "an error contains a secret"},
		{"a goroutine is left", leaksGoroutine, "this goroutine of it is left"},
		{"a goroutine begins with the end", leaksAfterTheEnd, "this goroutine of it is left"},
		{"Connected without a connection", connectsUnasked, "a refusal is ErrRejected, and no connection"},
		{"no error", returnsNil, "Run returned no reason"},
		{"a refusal like any other error", confusesRefusal, "a refusal is ErrRejected"},
		{"an error like a refusal", confusesAbsence, "a server that is not there is an error, and no refusal"},
		{"the end of the context is ignored", ignoresContext, "ends with its context"},
		{"a login that ignores the context", ignoresContextAtLogin, "if the server never says anything"},
		{"it knows what is so in an hour", knowsTheFuture, "the source knows at"},
		{"a password in what is wrong", tellsPasswordAsTrouble, "an error contains a secret"},
		{"a context that has ended before is ignored", ignoresEndedContext, "Run does nothing if its context has ended before"},
	}, faultyStage)
}
