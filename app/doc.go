// Package app holds the use cases: answering and updating (Presence), letting presences expire (Expirer), running the sources
// and recording what they see (Supervisor, recorder).
//
// It knows the domain and the ports, no technology. Package wiring, below, puts adapters and use cases together.
package app
