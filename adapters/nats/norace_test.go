//go:build !race

package nats_test

// slow is how much longer than planned things may take.
const slow = 1
