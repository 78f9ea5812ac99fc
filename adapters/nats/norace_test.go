//go:build !race

package nats_test

const slow = 1
