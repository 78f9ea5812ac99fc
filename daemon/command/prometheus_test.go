package command

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/prometheustest"
	"github.com/zarafa/presence/internal/webhooktest"
	"github.com/zarafa/presence/internal/xmpptest"
)

// documentedMetrics reads the table of docs/metrics.md: names and types.
func documentedMetrics(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(presence_\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(string(page), -1) {
		if all[row[1]] != "" {
			t.Errorf("%s is there twice", row[1])
		}
		all[row[1]] = row[2]
	}
	return all
}

// scrape returns what a daemon exports, as text.
func scrape(t *testing.T, url string) string {
	t.Helper()
	answer, err := (&http.Client{Transport: documented()}).Get(url + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %v", answer.Status, err)
	}
	return string(text)
}

// metricSite is a daemon with a source, a webhook, a stream, and something of everything that is measured.
func metricSite(t *testing.T) (d *daemon, mine string) {
	t.Helper()
	server := xmpptest.Start(t, xmpptest.Prosody, xmpptest.Options{})
	file := write(t, "zarafa-presence.yaml", fmt.Sprintf(`
http: {listen: 127.0.0.1:0, anonymous_timeout: 200ms}
auth: {secret: %s, services: [intranet@example.test]}
protocols: [xmpp]
spreed: {auto_unavailable: 1s}
xmpp: {jid: %s, password: %s, host: %s, ca_file: %s, sweep_after: 1s}
webhooks: [%s]
`, testSecret, server.JID(xmpptest.Observer), server.Password(xmpptest.Observer), server.Addr, server.CAFile, webhooktest.Start(t).Entry("crm", "")))
	d, mine = serve(t, nil, "--config", file, "--store.kind=bolt", "--store.dir", filepath.Join(t.TempDir(), "store")), token(t, secretEnv, markd)

	ctx, cancel := context.WithCancel(t.Context())
	asked, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"v1/events?user="+markd, nil)
	if err != nil {
		t.Fatal(err)
	}
	asked.Header.Set("Authorization", "Bearer "+mine)
	stream, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(asked)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = stream.Body.Close() })
	server.Login(t, "alice", "phone").Show("dnd", "hush")
	for _, test := range []struct {
		method, token, entry string
		want                 int
	}{
		{"PUT", mine, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":"hush"}}`, 200},
		{"GET", mine, `{"user_id":"markd@zarafa.com"}`, 200},
		{"PUT", mine, `{"user_id":"markd@zarafa.com","manual":{"status":"busy","message":"hush"}}`, 200},
		{"GET", "1:" + markd + ":AAAA", `{"user_id":"markd@zarafa.com"}`, 401},
		{"PUT", mine, `{"user_id":"alice@example.test","spreed":{"status":"busy","message":""}}`, 403},
	} {
		if status, body := request(t, test.method, d.url, test.token, test.entry); status != test.want {
			t.Fatalf("%s %s: %d %s", test.method, test.entry, status, body)
		}
	}
	return d, mine
}

// moved are conditions that hold in the end, at least one for each metric that can move in so short a time.
var moved = []string{
	`presence_build_info{version!=""} == 1`,
	`presence_ready == 1`,
	`presence_users{status="busy"} >= 2`,
	`presence_presences{protocol="xmpp"} >= 1`,
	`presence_presences{protocol="manual"} == 1`,
	`presence_expiry_delay_seconds_count >= 1`,
	`presence_lease_held{lease="xmpp"} == 1`,
	`presence_lease_held{lease="housekeeping"} == 1`,
	`presence_http_request_duration_seconds_count{method="PUT",route="/",status="2xx"} == 2`,
	`presence_http_request_duration_seconds_count{method="GET",route="/",status="4xx"} == 1`,
	`presence_http_request_duration_seconds_sum{method="PUT",route="/",status="2xx"} > 0`,
	`presence_http_request_duration_seconds_count{method="GET",route="/metrics",status="2xx"} > 1`,
	`presence_http_refusals_total{reason="unauthenticated"} == 1`,
	`presence_http_refusals_total{reason="forbidden"} == 1`,
	`presence_http_connections >= 1`,
	`presence_http_anonymous_connections >= 1`,
	`presence_http_accepted_connections_total >= 5`,
	`presence_http_streams == 1`,
	`presence_http_max_connections == 10000`,
	`presence_http_max_streams == 8000`,
	`presence_http_delivery_delay_seconds_count >= 1`,
	`presence_http_catchups_total >= 1`,
	`presence_source_state{protocol="xmpp",state="synced"} == 1`,
	`presence_source_state{protocol="xmpp",state="waiting"} == 0`,
	`time() - presence_source_connected_timestamp_seconds{protocol="xmpp"} < 60`,
	`time() - presence_source_last_sync_timestamp_seconds{protocol="xmpp"} < 60`,
	`presence_source_users{protocol="xmpp"} >= 1`,
	`presence_source_reports_total{protocol="xmpp"} >= 1`,
	`presence_source_reports_dropped_total == 0`,
	`presence_source_as_of_timestamp_seconds{protocol="xmpp"} == 0`, // it is told what changes
	`presence_source_connections_total{protocol="xmpp"} == 1`,
	`presence_exporter_state{exporter="webhook:crm",state="running"} == 1`,
	`presence_exporter_attempts_total{exporter="webhook:crm",result="told"} >= 1`,
	`presence_exporter_attempt_duration_seconds_count >= 1`,
	`presence_exporter_waiting_users == 0`,
	`presence_exporter_failing_since_timestamp_seconds == 0`,
	`presence_journal_appends_total{result="kept"} >= 2`,
	`presence_journal_append_duration_seconds_count >= 2`,
	`presence_journal_writable == 1`,
	`presence_journal_followed == 1`,
	`presence_journal_entries_since_snapshot >= 2`,
	`presence_store_filesystem_free_bytes > 0`,
	`presence_store_filesystem_size_bytes > presence_store_filesystem_free_bytes`,
	`go_goroutines > 1`,
	`process_resident_memory_bytes > 0`,
	`min_over_time(up[1m]) == 1 and count_over_time(up[1m]) >= 6`, // the daemon closes the idle connections in between
}

// TestPrometheus has Debian's Prometheus scrape a daemon: every documented metric is there, and no other, and moves.
func TestPrometheus(t *testing.T) {
	d, mine := metricSite(t)
	prometheus := prometheustest.Start(t, prometheustest.Options{Targets: []string{strings.Trim(strings.TrimPrefix(d.url, "http:"), "/")}, Interval: 500 * time.Millisecond})
	for _, condition := range moved {
		prometheus.Becomes(condition)
	}
	text := scrape(t, d.url)
	if said, err := prometheustest.Promtool(text, "check", "metrics"); err != nil || said != "" {
		t.Errorf("promtool check metrics: %v\n%s", err, said)
	}
	exported := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (presence_\w+) (\w+)$`).FindAllStringSubmatch(text, -1) {
		exported[line[1]] = line[2]
	}
	if want := documentedMetrics(t); !maps.Equal(exported, want) {
		t.Errorf("exported are\n%v\ndocumented are\n%v", exported, want)
	}
	for name := range exported {
		if !slices.ContainsFunc(append(moved, "presence_journal_snapshot"), func(condition string) bool {
			return strings.Contains(condition, name) || strings.HasPrefix(name, condition)
		}) {
			t.Errorf("no condition is about %s", name)
		}
	}
	for _, hidden := range []string{"@", "hush", "example.test", mine, testSecret} {
		if strings.Contains(text, hidden) {
			t.Errorf("the metrics tell %s", hidden)
		}
	}
	for _, series := range prometheus.Series(`{job="zarafa-presence"}`) {
		for label, value := range series {
			if strings.Contains(value, "@") {
				t.Errorf("%s=%q", label, value)
			}
		}
	}
	d.terminate(15)
	prometheus.Becomes(`up == 0`)
}
