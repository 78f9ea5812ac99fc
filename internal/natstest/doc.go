// Package natstest runs real NATS servers for tests: one, or a cluster of several. Each is a separate process with JetStream, on a free port
// of 127.0.0.1, with its files in a temporary folder. The program is built from the module that go.mod names. A server can be killed,
// frozen and restarted:
//
//	cluster := natstest.Start(t, natstest.Options{Servers: 3})
//	cluster.Server(cluster.Leader(t, "presence_journal")).Kill()
//
// If the test fails, it prints the servers' logs. The tests of adapters/nats use it.
package natstest
