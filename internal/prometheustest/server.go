// Package prometheustest runs Debian's Prometheus, and its promtool, for tests.
package prometheustest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/process"
)

// TB is what is needed of *testing.T.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Failed() bool
	TempDir() string
	Logf(format string, args ...any)
}

// Server is a running Prometheus.
type Server struct {
	t      TB
	url    string
	client *http.Client
}

// Options says what a Prometheus does.
type Options struct {
	Targets  []string      // host:port, each scraped at /metrics as the job zarafa-presence
	Interval time.Duration // between two scrapes, and two looks at the rules
	Rules    []string      // files
}

// Start starts a Prometheus, which ends with the test, and returns when it answers.
func Start(t TB, o Options) *Server {
	t.Helper()
	dir, address := t.TempDir(), freeport.Address(t)
	rules, err := json.Marshal(o.Rules)
	if err != nil {
		t.Fatalf("%v", err)
	}
	targets, err := json.Marshal(o.Targets)
	if err != nil {
		t.Fatalf("%v", err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: %[1]s, scrape_timeout: %[1]s, evaluation_interval: %[1]s}\nrule_files: %[2]s\n"+
		"scrape_configs:\n- job_name: zarafa-presence\n  static_configs: [{targets: %[3]s}]\n", o.Interval, rules, targets)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatalf("%v", err)
	}
	program, err := process.Start(exec.Command("/usr/bin/prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn"), filepath.Join(dir, "log"))
	if err != nil {
		t.Fatalf("Prometheus: %v (scripts/install-test-packages installs it)", err)
	}
	transport := &http.Transport{}
	s := &Server{t: t, url: "http://" + address, client: &http.Client{Transport: transport, Timeout: 10 * time.Second}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		program.Kill()
		if t.Failed() {
			t.Logf("Prometheus says:\n%s", program.Log())
		}
	})
	if err := program.Await(30*time.Second, func() error { return s.get("/-/ready", nil, nil) }); err != nil {
		t.Fatalf("Prometheus %v\n%s", err, program.Log())
	}
	return s
}

// get asks the API, and reads the data of its answer unless into is nil.
func (s *Server) get(path string, query url.Values, into any) error {
	answer, err := s.client.Get(s.url + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if into == nil {
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", path, answer.Status)
		}
		return nil
	}
	var document struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(answer.Body).Decode(&document); err != nil {
		return err
	}
	if document.Status != "success" {
		return fmt.Errorf("%s: %s", path, document.Error)
	}
	return json.Unmarshal(document.Data, into)
}

// Value returns the value of an expression with one result: there is false if it has none, and several fail the test.
func (s *Server) Value(expression string) (value float64, there bool) {
	s.t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := s.get("/api/v1/query", url.Values{"query": {expression}}, &data); err != nil {
		s.t.Fatalf("%s: %v", expression, err)
	}
	switch len(data.Result) {
	case 0:
		return 0, false
	case 1:
		text, _ := data.Result[0].Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			s.t.Fatalf("%s: %v", expression, err)
		}
		return value, true
	}
	s.t.Fatalf("%s has %d results: %v", expression, len(data.Result), data.Result)
	return 0, false
}

// Becomes waits until an expression, which is a condition, has a result.
func (s *Server) Becomes(condition string) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, there := s.Value("count(" + condition + ")"); there {
			return
		}
	}
	s.t.Errorf("it never becomes true that %s", condition)
}

// Series returns the labels of all series that a selector names.
func (s *Server) Series(selector string) (all []map[string]string) {
	s.t.Helper()
	if err := s.get("/api/v1/series", url.Values{"match[]": {selector}}, &all); err != nil {
		s.t.Fatalf("%s: %v", selector, err)
	}
	return all
}

// Alert is an alert that is pending or firing.
type Alert struct {
	State               string
	Labels, Annotations map[string]string
}

// Alerts returns those that are pending or firing.
func (s *Server) Alerts() []Alert {
	s.t.Helper()
	var data struct{ Alerts []Alert }
	if err := s.get("/api/v1/alerts", nil, &data); err != nil {
		s.t.Fatalf("%v", err)
	}
	return data.Alerts
}

// Promtool runs promtool, and returns all that it says.
func Promtool(input string, args ...string) (said string, err error) {
	command := exec.Command("/usr/bin/promtool", args...)
	command.Stdin = strings.NewReader(input)
	text, err := command.CombinedOutput()
	return string(text), err
}
