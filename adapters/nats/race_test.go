//go:build race

package nats_test

// slow is by how much the race detector, on a busy machine, lengthens what is measured.
const slow = 5
