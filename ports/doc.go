// Package ports holds the interfaces between the use cases and everything around them, in the words of the domain.
//
// Driving ports are what the outside calls, and package app implements them:
//
//   - Presence: ask and update. The HTTP adapter and whatever comes beside it call it.
//   - Feed: states by revision, and their changes as they happen. Following is a reader's place in them.
//   - Directory: which users and groups there are. Groups alone says in which groups a user is.
//   - Backup: all presences, to be taken elsewhere.
//   - Sources: how the sources are doing.
//   - Exporters: how the exporters are doing.
//   - Readiness: whether requests can be answered yet.
//   - Health, Statistics: how the daemon is doing, for probes and for metrics.
//   - Observer: what a source tells the use cases while it is connected.
//   - Identities, TimeZones: who has a name on a protocol, and in which time zone a user is. Sources ask that.
//   - Outbox: what an exporter is to tell.
//
// Driven ports are what the use cases need, and adapters implement them:
//
//   - Journal: keeps what was written, and gives it to every daemon that shares it.
//   - Leases: says which of several daemons does what only one may do.
//   - Source: collects presences of one protocol in the background.
//   - Exporter: tells somebody outside what users are, whenever that changes.
//   - Clock: tells the time.
//   - Audit: takes note of who has changed what.
//   - Tokens: makes tokens and tells for which user they speak. Verifier does only the latter. Principals tells what a user may do
//     who has shown in another way who it is.
//
// The contract suites in package portstest prove an adapter; the mocks in package mocks stand in for one in tests.
package ports

//go:generate go tool mockgen -source=presence.go -destination=mocks/presence.go -package=mocks
//go:generate go tool mockgen -source=feed.go -destination=mocks/feed.go -package=mocks
//go:generate go tool mockgen -source=leases.go -destination=mocks/leases.go -package=mocks
//go:generate go tool mockgen -source=source.go -destination=mocks/source.go -package=mocks
//go:generate go tool mockgen -source=tokens.go -destination=mocks/tokens.go -package=mocks
