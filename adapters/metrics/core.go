package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zarafa/presence/ports"
)

var (
	ready         = family("ready", "1 if the daemon should be given requests, as /readyz says.")
	users         = family("users", "Users by their unified status.", "status")
	presences     = family("presences", "Presences by protocol; a user with several devices on a protocol has one there.", "protocol")
	expiryDelay   = family("expiry_delay_seconds", "How late it was written and told that presences have expired; readers are always answered exactly.")
	dropped       = family("source_reports_dropped_total", "Reports of sources that were dropped because there are as many users as store.max_users allows.")
	leaseHeld     = family("lease_held", "1 if this daemon holds the lease: it does what only one of several daemons may do.", "lease")
	appends       = family("journal_appends_total", "Entries that were to be kept in the journal, by result: kept, refused, unknown.", "result")
	appendTime    = family("journal_append_duration_seconds", "How long the journal took to keep an entry.")
	entries       = family("journal_entries_since_snapshot", "Entries since the last snapshot, which a start reads; all that were read at the last start count.")
	snapshotSize  = family("journal_snapshot_size_bytes", "How large the last snapshot is.")
	snapshotTime  = family("journal_snapshot_timestamp_seconds", "When this daemon has last made a snapshot; 0 if not since it has started.")
	snapshotsMade = family("journal_snapshots_total", "Snapshots that this daemon was to make, by result: made, failed.", "result")
	writable      = family("journal_writable", "1 if the last entry was kept, or there was none yet; 0 while updates are answered with 503.")
	followed      = family("journal_followed", "1 if this daemon has all that others have written; always without a cluster.")
)

// censusWithin is how long a scrape waits for the users to be counted. Then it leaves them out.
const censusWithin = 8 * time.Second // Prometheus waits for 10 seconds

// coreCollector reads what the core counts.
type coreCollector struct {
	core   ports.Statistics
	health ports.Health
}

// OfCore returns a collector of what the core counts.
func OfCore(core ports.Statistics, health ports.Health) prometheus.Collector {
	return coreCollector{core, health}
}

// Describe implements prometheus.Collector.
func (coreCollector) Describe(into chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		ready, users, presences, expiryDelay, dropped, leaseHeld,
		appends, appendTime, entries, snapshotSize, snapshotTime, snapshotsMade, writable, followed,
	} {
		into <- d
	}
}

// Collect implements prometheus.Collector.
func (c coreCollector) Collect(metrics chan<- prometheus.Metric) {
	into := sink(metrics)
	into.gauge(ready, truth(c.health.Ready()))
	c.census(into)
	into.histogram(expiryDelay, c.core.Expiries())
	into.counter(dropped, c.core.ReportsDropped())
	for name, held := range c.core.Leases() {
		into.gauge(leaseHeld, truth(held), name)
	}
	journal := c.core.Journal()
	into.counter(appends, journal.Kept, "kept")
	into.counter(appends, journal.Refused, "refused")
	into.counter(appends, journal.Unknown, "unknown")
	into.histogram(appendTime, journal.Durations)
	into.gauge(entries, float64(journal.Entries))
	into.gauge(snapshotSize, float64(journal.SnapshotBytes))
	into.gauge(snapshotTime, seconds(journal.SnapshotAt))
	into.counter(snapshotsMade, journal.SnapshotsMade, "made")
	into.counter(snapshotsMade, journal.SnapshotsFailed, "failed")
	into.gauge(writable, truth(journal.Writable))
	into.gauge(followed, truth(journal.Followed))
}

func (c coreCollector) census(into sink) {
	ctx, cancel := context.WithTimeout(context.Background(), censusWithin)
	defer cancel()
	count, ok := c.core.Census(ctx)
	if !ok {
		return
	}
	for status, n := range count.Users {
		into.gauge(users, float64(n), status.String())
	}
	for protocol, n := range count.Presences {
		into.gauge(presences, float64(n), protocol.String())
	}
}
