package ports

// Health tells whether the daemon should be given requests, and how its parts are doing. It may be used concurrently, and does not block.
type Health interface {
	// Ready reports whether the daemon should be given requests: not while it is loading or stopping, and not if it cannot follow the journal
	// for so long that what it would answer is too old. A source that is lost, or a journal that cannot be written, changes nothing: reads go on.
	Ready() bool

	// States returns the state of each part in a few words, without the text of any error.
	States() []PartState
}

// PartState is the state of a part of the daemon.
type PartState struct{ Part, State string }
