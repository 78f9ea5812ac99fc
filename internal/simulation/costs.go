package main

// What things cost on the machine of docs/architecture.md's table, with two cores: rounded to the worse side of what the benchmarks there say.
const (
	memoryUser  = 310.0   // bytes for a user with two presences, id and messages included (BenchmarkStart of adapters/nats)
	diskUser    = 580.0   // bytes for the same
	loadUser    = 7e-6    // seconds to load the same at the start
	applyRecord = 3e-6    // seconds of one core to take one record into a node's memory: the start, which does little else
	recordBytes = 220.0   // bytes of one record in the journal, with what the engine and the entry put around it
	journalMost = 240_000 // records a second that one journal takes (BenchmarkPut, 256 writers, store.sync: system)

	// A journal is not planned to be used for more than this part of what it takes.
	journalPlan = 0.5
	// Nor a node for more than so much memory, or so much of its cores, for presences.
	nodeMemory = 8e9
	nodeCores  = 0.5
)
