//go:build race

package nats_test

// slow is how much longer than without the race detector things may take.
const slow = 4
