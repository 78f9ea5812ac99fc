// Package deploy has what is deployed beside the daemon, and the tests of it.
package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/internal/prometheustest"
)

const (
	rulesFile = "prometheus/zarafa-presence.rules.yaml"
	testsFile = "prometheus/zarafa-presence.rules.test.yaml"
	dashboard = "grafana/zarafa-presence.json"
	page      = "../docs/metrics.md"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// rule is an alert.
type rule struct {
	Alert, Expr         string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(read(t, rulesFile)), &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// TestRules has promtool check the alerts, and fire each of them.
func TestRules(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", rulesFile}, {"test", "rules", testsFile}} {
		if said, err := prometheustest.Promtool("", args...); err != nil || !strings.Contains(said, "SUCCESS") {
			t.Errorf("promtool %v: %v\n%s", args, err, said)
		}
	}
	type expectation struct {
		Alertname string
		Expected  []any `yaml:"exp_alerts"`
	}
	var file struct {
		Tests []struct {
			Name  string
			Tests []expectation `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, testsFile)), &file); err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, e := range test.Tests {
			fires[e.Alertname] = fires[e.Alertname] || len(e.Expected) > 0
			quiet[e.Alertname] = quiet[e.Alertname] || len(e.Expected) == 0 && test.Name == "all is well"
		}
	}
	for _, r := range rules(t) {
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: tested that it fires: %t, that it is quiet while all is well: %t", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
		if severity := r.Labels["severity"]; severity != "critical" && severity != "warning" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s: %v %v", r.Alert, r.Labels, r.Annotations)
		}
	}
}

// TestAlertsAreDocumented: all of them, and no other.
func TestAlertsAreDocumented(t *testing.T) {
	var documented, there []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(Presence\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(read(t, page), -1) {
		documented = append(documented, row[1]+" "+row[2])
	}
	for _, r := range rules(t) {
		there = append(there, r.Alert+" "+r.Labels["severity"])
	}
	if !slices.Equal(documented, there) {
		t.Errorf("documented are\n%v\nthere are\n%v", documented, there)
	}
}

// expressions returns all that the dashboard asks Prometheus.
func expressions(t *testing.T) (all []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboard)), &board); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, panel := range board.Panels {
		if ids[panel.ID] || panel.Title == "" || panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %d %q has nothing to show, or its id is taken", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			all = append(all, target.Expr)
		}
	}
	if len(all) < 30 {
		t.Errorf("there are %d expressions", len(all))
	}
	return all
}

// TestDashboard: Prometheus understands each expression.
func TestDashboard(t *testing.T) {
	here := strings.NewReplacer("$__rate_interval", "1m", "$job", "zarafa-presence", "$instance", ".+")
	var group struct {
		Groups []any `yaml:"groups"`
	}
	var recorded []map[string]string
	for _, expression := range expressions(t) {
		recorded = append(recorded, map[string]string{"record": "a:b", "expr": here.Replace(expression)})
	}
	group.Groups = []any{map[string]any{"name": "dashboard", "rules": recorded}}
	text, err := yaml.Marshal(group)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := prometheustest.Promtool("", "check", "rules", "--lint=none", file); err != nil || strings.Contains(string(text), "$") {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestMetricsExist: the alerts and the dashboard ask for documented metrics alone, by their documented labels, and the dashboard shows all of them. A
// test of the daemon compares the documents with what it exports.
func TestMetricsExist(t *testing.T) {
	labels := map[string]string{}
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(presence_\\w+)` \\| (\\w+) \\| ([^|]*)\\|").FindAllStringSubmatch(read(t, page), -1) {
		names = append(names, row[1])
		for _, name := range []string{row[1], row[1] + "_bucket", row[1] + "_count", row[1] + "_sum"} {
			if name == row[1] || row[2] == "histogram" {
				labels[name] = row[3] + " `job` `instance` `le`"
			}
		}
	}
	asked := expressions(t)
	for _, r := range rules(t) {
		asked = append(asked, r.Expr)
	}
	named := map[string]bool{}
	for _, expression := range asked {
		for _, found := range regexp.MustCompile(`\b(presence_\w+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(expression, -1) {
			known, there := labels[found[1]]
			if !there {
				t.Errorf("%s is not documented, in %s", found[1], expression)
			}
			named[found[1]] = true
			for _, label := range regexp.MustCompile(`(\w+)\s*=~?`).FindAllStringSubmatch(found[2], -1) {
				if !strings.Contains(known, "`"+label[1]+"`") {
					t.Errorf("%s has no label %s, in %s", found[1], label[1], expression)
				}
			}
		}
	}
	for _, name := range names {
		if !named[name] && !named[name+"_bucket"] && !named[name+"_count"] {
			t.Errorf("neither an alert nor the dashboard asks for %s", name)
		}
	}
}
