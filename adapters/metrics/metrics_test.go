package metrics_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/metrics"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/measure"
	"github.com/zarafa/presence/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// measured is a core, its sources and a server with some numbers.
type measured struct {
	ports.Statistics
	ports.Health
	durations measure.Histogram
	counted   bool // the users
}

func (*measured) Ready() bool                    { return true }
func (m *measured) Expiries() *measure.Histogram { return &m.durations }
func (*measured) Leases() map[string]bool {
	return map[string]bool{"xmpp": true, "housekeeping": false}
}
func (*measured) ReportsDropped() uint64             { return 19 }
func (*measured) Unmapped() ([]domain.Unmapped, int) { return nil, 0 }

func (*measured) KnownUntil() domain.Timestamp { return 0 }

func (m *measured) Journal() ports.JournalStatistics {
	return ports.JournalStatistics{Kept: 3, Refused: 2, Unknown: 1, Durations: &m.durations, Entries: 7, SnapshotBytes: 4096, SnapshotsFailed: 9,
		SnapshotAt: domain.TimestampOf(time.Unix(1_700_000_000, 250e6))}
}

func (m *measured) Census(ctx context.Context) (ports.Census, bool) {
	if _, bounded := ctx.Deadline(); !bounded {
		panic("a scrape could wait for ever")
	}
	return ports.Census{Users: map[domain.Status]int{domain.Busy: 2}, Presences: map[domain.Protocol]int{domain.MustProtocol("irc"): 5}}, m.counted
}

func (*measured) Statuses() []domain.SourceStatus {
	return []domain.SourceStatus{{Protocol: domain.MustProtocol("irc"), State: domain.SourceWaiting, Users: 4, Error: "wrong password", Connections: 6, Reports: 8, AsOf: domain.TimestampOf(time.Unix(1_700_000_000, 0))}}
}

func (m *measured) EachRequest(visit func(method, route, class string, durations *measure.Histogram)) {
	visit("GET", "/v1/users/:user", "2xx", &m.durations)
	visit("GET", "/v1/users/:user", "5xx", new(measure.Histogram))
}
func (*measured) EachRefusal(visit func(string, uint64)) { visit("quota", 11) }
func (*measured) Connections() (a, b, c int, d uint64)   { return 12, 13, 14, 15 }
func (*measured) MaxConnections() (plain, streams int)   { return 16, 17 }
func (m *measured) Deliveries() *measure.Histogram       { return &m.durations }
func (*measured) CatchUps() uint64                       { return 18 }

// exported returns what is exported of it, as text.
func exported(t *testing.T, m *measured, more ...prometheus.Collector) string {
	t.Helper()
	e := metrics.New("1.2.3", slog.New(slog.DiscardHandler))
	if err := e.Add(append(more, metrics.OfCore(m, m), metrics.OfSources(m), metrics.OfServer(m), metrics.OfDisk(t.TempDir()))...); err != nil {
		t.Fatal(err)
	}
	recorded := httptest.NewRecorder()
	e.Handler().ServeHTTP(recorded, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text, err := io.ReadAll(recorded.Result().Body)
	if err != nil || recorded.Code != http.StatusOK {
		t.Fatalf("%d %v", recorded.Code, err)
	}
	return string(text)
}

// TestWhatIsExported: each number stands under its name.
func TestWhatIsExported(t *testing.T) {
	m := &measured{counted: true}
	m.durations.Observe(2 * time.Millisecond)
	m.durations.Observe(time.Minute)
	text := exported(t, m)
	for _, line := range []string{
		`presence_build_info{goversion="go`, `",version="1.2.3"} 1`,
		`presence_ready 1`,
		`presence_users{status="busy"} 2`,
		`presence_presences{protocol="irc"} 5`,
		`presence_expiry_delay_seconds_bucket{le="0.001"} 0`,
		`presence_expiry_delay_seconds_bucket{le="0.0025"} 1`,
		`presence_expiry_delay_seconds_bucket{le="+Inf"} 2`,
		`presence_expiry_delay_seconds_sum 60.002`,
		`presence_lease_held{lease="xmpp"} 1`,
		`presence_lease_held{lease="housekeeping"} 0`,
		`presence_journal_appends_total{result="kept"} 3`,
		`presence_journal_appends_total{result="refused"} 2`,
		`presence_journal_appends_total{result="unknown"} 1`,
		`presence_journal_append_duration_seconds_count 2`,
		`presence_journal_entries_since_snapshot 7`,
		`presence_journal_snapshot_size_bytes 4096`,
		`presence_journal_snapshot_timestamp_seconds 1.70000000025e+09`,
		`presence_journal_snapshots_total{result="failed"} 9`,
		`presence_journal_writable 0`,
		`presence_journal_followed 0`,
		`presence_source_state{protocol="irc",state="waiting"} 1`,
		`presence_source_state{protocol="irc",state="synced"} 0`,
		`presence_source_connected_timestamp_seconds{protocol="irc"} 0`,
		`presence_source_users{protocol="irc"} 4`,
		`presence_source_connections_total{protocol="irc"} 6`,
		`presence_source_reports_total{protocol="irc"} 8`,
		`presence_source_reports_dropped_total 19`,
		`presence_source_as_of_timestamp_seconds{protocol="irc"} 1.7e+09`,
		`presence_http_request_duration_seconds_count{method="GET",route="/v1/users/:user",status="2xx"} 2`,
		`presence_http_refusals_total{reason="quota"} 11`,
		`presence_http_connections 12`,
		`presence_http_streams 13`,
		`presence_http_anonymous_connections 14`,
		`presence_http_accepted_connections_total 15`,
		`presence_http_max_connections 16`,
		`presence_http_max_streams 17`,
		`presence_http_catchups_total 18`,
		`presence_store_filesystem_free_bytes `,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %s", line)
		}
	}
	for _, hidden := range []string{`status="5xx"`, "wrong password"} {
		if strings.Contains(text, hidden) {
			t.Errorf("there is %s", hidden)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// TestSourceStates: none is forgotten.
func TestSourceStates(t *testing.T) {
	n := 0
	for state := domain.SourceState(0); !strings.HasPrefix(state.String(), "SourceState("); state++ {
		n++
	}
	if got := strings.Count(exported(t, new(measured)), "\npresence_source_state{"); got != n {
		t.Errorf("%d states are exported, there are %d", got, n)
	}
}

// TestWhileUsersCannotBeCounted everything else is exported.
func TestWhileUsersCannotBeCounted(t *testing.T) {
	text := exported(t, new(measured))
	if strings.Contains(text, "\npresence_users") || !strings.Contains(text, "\npresence_journal_writable 0") {
		t.Error(text)
	}
}

// TestMetricsOfOthers are exported too, unless their name is taken.
func TestMetricsOfOthers(t *testing.T) {
	more := prometheus.NewCounter(prometheus.CounterOpts{Name: "presence_other_total", Help: "Others."})
	if text := exported(t, new(measured), more); !strings.Contains(text, "\npresence_other_total 0\n") {
		t.Error(text)
	}
	taken := prometheus.NewGauge(prometheus.GaugeOpts{Name: "presence_build_info", Help: "Another one."})
	if err := metrics.New("1.2.3", slog.New(slog.DiscardHandler)).Add(taken); err == nil || !strings.Contains(err.Error(), "presence_build_info") {
		t.Errorf("a name twice: %v", err)
	}
}

// TestNoDirectory: there is no disk to tell of.
func TestNoDirectory(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.OfDisk(""))
	if families, err := registry.Gather(); err != nil || len(families) != 0 {
		t.Errorf("%v, %v", families, err)
	}
}
