// Package natstest runs real NATS servers for tests: one, or a cluster of several, each a process of its own with JetStream on a free
// port of 127.0.0.1 and its files in a scratch folder. The program is built from the module that go.mod names.
// A server can be killed, frozen and started again:
//
//	cluster := natstest.Start(t, natstest.Options{Servers: 3})
//	cluster.Server(cluster.Leader(t, "presence_journal")).Kill()
//
// What the servers have logged is printed if the test fails. The tests of adapters/nats use it.
package natstest
