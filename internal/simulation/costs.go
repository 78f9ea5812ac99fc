package main

// What things cost on the machine of docs/architecture.md's table, two cores that others use as well: the worst of what was measured. The
// benchmarks named here measure it anew.
const (
	memoryUser  = 1100.0    // bytes of a daemon for a user with two presences, at most, while loading (docs/operations.md, Sizing)
	loadUser    = 12e-6     // seconds to load the same at the start (BenchmarkStart of adapters/nats)
	applyRecord = 6e-6      // seconds to take a presence into a node's memory: half of that, so an upper bound
	recordBytes = 250.0     // bytes of a record that has an entry of the journal for itself, with what the engine puts around it; many share one
	journalMost = 130_000.0 // records a second that a journal in the daemon takes (BenchmarkPut of adapters/nats, 256 writers, store.sync: system)
	updatesMost = 32_000.0  // updates a second that a node takes over HTTP (BenchmarkDurable of adapters/http)
	answersMost = 50_000.0  // answers a second that it gives about one user (the same)
	listedMost  = 1.1e6     // users a second of whom it tells in lists that were not asked for before (BenchmarkGetThousandOtherUsers)
)

// The plan: journals and HTTP are used to a part of what was measured, and a node has so much memory and may
// spend so much of a core on what others write. Of each journal two nodes hold everybody, so that one may fail.
const (
	planUse    = 0.5
	nodeMemory = 16e9
	nodeCores  = 0.5
	homes      = 2
)
