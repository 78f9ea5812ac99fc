package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/metrics"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/measure"
	"github.com/zarafa/presence/ports"
)

// told is two exporters with some numbers.
type told struct{ durations measure.Histogram }

func (e *told) Statuses() []ports.ExporterStatus {
	failing := ports.ExporterStatistics{
		Told: 5, Failed: 3, Durations: &e.durations, Waiting: 7, FailingSince: domain.TimestampOf(time.Unix(1_700_000_000, 0)),
	}
	return []ports.ExporterStatus{
		{Name: "webhook:crm", State: domain.ExporterFailing, ExporterStatistics: failing},
		{Name: "webhook:wiki", State: domain.ExporterDisabled, ExporterStatistics: ports.ExporterStatistics{Durations: &e.durations}},
	}
}

func TestExporters(t *testing.T) {
	e := new(told)
	e.durations.Observe(2 * time.Millisecond)
	text := exported(t, new(measured), metrics.OfExporters(e))
	for _, line := range []string{
		`presence_exporter_state{exporter="webhook:crm",state="failing"} 1`,
		`presence_exporter_state{exporter="webhook:crm",state="running"} 0`,
		`presence_exporter_state{exporter="webhook:wiki",state="disabled"} 1`,
		`presence_exporter_attempts_total{exporter="webhook:crm",result="told"} 5`,
		`presence_exporter_attempts_total{exporter="webhook:crm",result="failed"} 3`,
		`presence_exporter_attempt_duration_seconds_count{exporter="webhook:wiki"} 1`,
		`presence_exporter_waiting_users{exporter="webhook:crm"} 7`,
		`presence_exporter_failing_since_timestamp_seconds{exporter="webhook:crm"} 1.7e+09`,
		`presence_exporter_failing_since_timestamp_seconds{exporter="webhook:wiki"} 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("there is no %s in\n%s", line, text)
		}
	}
	if got := strings.Count(text, `presence_exporter_state{exporter="webhook:crm"`); got != len(domain.ExporterStates) {
		t.Errorf("%d states are exported", got)
	}
}
