package wiring

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/setting"
)

func TestMain(m *testing.M) {
	// fasthttp keeps the time of day in a goroutine of its own, for as long as the process lives.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

const secret = "Ga7ouK9eeRie4oovQuai"

// environment is a configuration with which every protocol can be made, and with which those that are named are on. What a protocol needs for
// that is in the file testdata/environment of its adapter, if the defaults are not enough; nobody listens where it connects.
func environment(t *testing.T, names ...string) []string {
	t.Helper()
	environ := []string{
		"PRESENCE_AUTH__SECRET=" + secret,
		"PRESENCE_HTTP__LISTEN=127.0.0.1:0",
		"PRESENCE_STORE__KIND=memory",
		"PRESENCE_PROTOCOLS=" + strings.Join(names, ","),
		"PRESENCE_LOG__LEVEL=debug",
	}
	for _, p := range BuiltIn() {
		if _, bySection := p.make().config.(switched); bySection {
			environ = append(environ, fmt.Sprintf("PRESENCE_%s__ENABLED=%t", strings.ToUpper(p.name), slices.Contains(names, p.name)))
		}
	}
	files, err := filepath.Glob("../../../adapters/*/testdata/environment")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		needed, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		environ = append(environ, strings.Fields(os.Expand(string(needed), func(string) string { return secret }))...)
	}
	return environ
}

func settingsOf(t *testing.T, environ []string) *Settings {
	t.Helper()
	settings, err := Load(config.Input{Environ: environ}, BuiltIn())
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// combinations returns every choice of protocols.
func combinations() [][]string {
	all := [][]string{nil}
	for _, p := range BuiltIn() {
		for _, names := range all {
			all = append(all, append(slices.Clone(names), p.name))
		}
	}
	return all
}

// What an adapter adds to the metrics is exported by the daemon.
func TestMetricsOfAnAdapter(t *testing.T) {
	settings := settingsOf(t, environment(t))
	own := func() prometheus.Collector {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "presence_webhook_deliveries_total", Help: "Deliveries."})
	}
	var about http.Operations
	graph := fx.New(options(settings, slog.New(slog.DiscardHandler)), fx.Provide(fx.Annotate(own, fx.ResultTags(`group:"metrics"`))), fx.Populate(&about))
	if err := graph.Err(); err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	about.Metrics.ServeHTTP(answer, httptest.NewRequest(nethttp.MethodGet, "/metrics", nil))
	if text := answer.Body.String(); !strings.Contains(text, "\npresence_webhook_deliveries_total 0\n") || !strings.Contains(text, "\npresence_ready 0\n") {
		t.Error(text)
	}
}

// The graph is complete for every choice of protocols, invoked functions included, and everything in it can be made.
func TestGraph(t *testing.T) {
	for _, names := range combinations() {
		t.Run(strings.Join(names, "+"), func(t *testing.T) {
			settings := settingsOf(t, environment(t, names...))
			if err := settings.Validate(); err != nil {
				t.Fatal(err)
			}
			if err := fx.ValidateApp(options(settings, slog.New(slog.DiscardHandler))); err != nil {
				t.Fatal(err)
			}
			if _, err := New(settings, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Every choice of protocols starts, serves, and ends within the two seconds that a service manager is promised.
func TestStartStop(t *testing.T) {
	for _, names := range combinations() {
		t.Run(strings.Join(names, "+"), func(t *testing.T) {
			var out bytes.Buffer
			logging, err := OpenLog(Log{Level: "debug", Format: "text"}, &out)
			if err != nil {
				t.Fatal(err)
			}
			settings := settingsOf(t, environment(t, names...))
			if got := settings.Enabled(); !slices.Equal(got, names) {
				t.Errorf("%q are on, want %q", got, names)
			}
			daemon, err := New(settings, logging.Logger)
			if err != nil {
				t.Fatalf("with what testdata/environment of each protocol's folder sets: %v", err)
			}
			if err := daemon.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-daemon.Loaded()
			conn, err := net.Dial("tcp", daemon.running.Server.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			begin := time.Now()
			if err := daemon.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("stopping took %v", took)
			}
			if _, err := net.Dial("tcp", daemon.running.Server.Addr().String()); err == nil {
				t.Error("it still listens after Stop")
			}
			if err := daemon.Err(); err != nil {
				t.Errorf("it failed: %v", err)
			}
			if strings.Contains(out.String(), secret) {
				t.Errorf("the log shows a secret:\n%s", out.String())
			}
		})
	}
}

// A port that is taken fails the start with one line, and what was started before is ended.
func TestPortTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().String()
	daemon, err := New(settingsOf(t, append(environment(t, "spreed"), "PRESENCE_HTTP__LISTEN="+address)), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	err = daemon.Start(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "http.listen: "+address+" is taken by another program") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Start: %v; want one line about %s", err, address)
	}
}

// A constructor's error comes out as it is, without the container's words around it.
func TestNewFails(t *testing.T) {
	settings := settingsOf(t, append(environment(t, "spreed"), "PRESENCE_AUTH__SECRET=short"))
	_, err := New(settings, slog.New(slog.DiscardHandler))
	if err == nil || !strings.HasPrefix(err.Error(), "auth.secret: the secret has 5 characters") || strings.Contains(err.Error(), "\n") {
		t.Errorf("New: %v; want one line about auth.secret", err)
	}
}

func TestValidate(t *testing.T) {
	spreed := func(more ...string) []string { return append(environment(t, "spreed"), more...) }
	general := newSettings(BuiltIn()).General
	sources, known := strings.Join(general.sources, ", "), strings.Join(general.known, ", ")
	tests := []struct {
		environ []string
		want    string // empty: accepted
	}{
		{spreed(), ""},
		{environment(t), ""},
		{spreed("PRESENCE_PROTOCOLS=manual,spreed"), ""}, // without effect
		{environment(t, "xmmp"), `environment variable PRESENCE_PROTOCOLS: protocols: unknown protocol "xmmp"; did you mean xmpp?; known are ` + sources},
		{environment(t, "telepathy"), `protocols: unknown protocol "telepathy"; known are ` + sources},
		{environment(t, "xmpp", "xmpp"), "protocols: xmpp is there twice"},
		{spreed("PRESENCE_PRECEDENCE=manual:busy,xmpp:busy,manual"), ""},
		{spreed("PRESENCE_PRECEDENCE="), ""},
		{spreed("PRESENCE_PRECEDENCE=manaul"), `precedence: unknown protocol "manaul"; did you mean manual?; known are ` + known},
		{spreed("PRESENCE_PRECEDENCE=manual:dnd"), `precedence: unknown status "dnd"`},
		{spreed("PRESENCE_PRECEDENCE=xmpp,manual,xmpp:busy"), "precedence: xmpp:busy has no effect, for xmpp stands before it"},
		{spreed("PRESENCE_STORE__KIND=redis"), `store.kind: must be bolt, nats or memory; it is "redis"`},
		{spreed("PRESENCE_LOG__LEVEL=loud"), `log.level: must be debug, info, warn or error; it is "loud"`},
		{spreed("PRESENCE_LOG__FORMAT=xml"), `log.format: must be text or json; it is "xml"`},
		{spreed("PRESENCE_XMPP__TLS=never"), ""}, // it is off
		{environment(t, "xmpp"), ""},
		{append(environment(t, "xmpp"), "PRESENCE_XMPP__TLS=never"), "xmpp.tls"},
		{append(environment(t, "xmpp"), "PRESENCE_SPREED__AUTO_UNAVAILABLE=0s"), ""}, // it is off
		{spreed("PRESENCE_SPREED__AUTO_UNAVAILABLE=0s"), "spreed.auto_unavailable"},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			got := ""
			if err := settingsOf(t, test.environ).Validate(); err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("Validate: %q, want %q", got, test.want)
			}
		})
	}
}

// The key protocols turns on sources alone: what it leaves out of the client protocols stays on. In a presence.cfg, plugins decides about spreed.
func TestListDecidesAboutSources(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"c.yaml", "", "[manual spreed]"},
		{"c.yaml", "protocols: [spreed, xmpp]\n", "[manual spreed xmpp]"},
		{"c.yaml", "protocols: [xmpp]\n", "[manual spreed xmpp]"},
		{"c.yaml", "protocols: [manual, xmpp]\nmanual: {enabled: false}\n", "[spreed xmpp]"},
		{"c.yaml", "spreed: {enabled: false}\n", "[manual]"},
		{"presence.cfg", "plugins = xmpp\n", "[manual xmpp]"},
		{"presence.cfg", "plugins = spreed xmpp\n", "[manual spreed xmpp]"},
	}
	for _, test := range tests {
		file := filepath.Join(t.TempDir(), test.name)
		if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		settings, err := Load(config.Input{File: file}, BuiltIn())
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(settings.Enabled()); got != test.want {
			t.Errorf("%s %q: %s are on, want %s", test.name, test.content, got, test.want)
		}
	}
}

// All faults are told at once, also those of a protocol whose name in the list is misspelt, or that is listed in a way that cannot be read.
func TestAllFaultsAtOnce(t *testing.T) {
	const rest = "store: {kind: nats, replicas: 2, retain: 1h}\nxmpp: {tls: never}\nspreed: {auto_unavailable: 0s}\nhttp: {listn: x, max_connections: 0}\n"
	for list, want := range map[string][]string{
		"protocols: [xmmp]\n": {"c.yaml:1: protocols: unknown protocol \"xmmp\"; did you mean xmpp?"},
		"protocols: xmpp\n":   {"c.yaml:1: protocols: expected a list, such as [a, b], got \"xmpp\""},
		"protocols: [{}]\n":   {"c.yaml:1: protocols: entry 1: expected a text"},
		"protocols: [xmpp]\n": nil,
	} {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(list+rest), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(config.Input{File: file}, BuiltIn())
		if err == nil {
			t.Fatal("accepted")
		}
		want = append(want, "c.yaml:2: store.kind: nats needs store.url", "c.yaml:2: store.replicas: must be 1, 3 or 5", "c.yaml:2: store.retain: must be at least",
			"c.yaml:3: xmpp.jid: it is missing", "c.yaml:3: xmpp.password: it is missing", "c.yaml:3: xmpp.tls: ", "c.yaml:4: spreed.auto_unavailable: ",
			"c.yaml:5: http.listn: unknown key; did you mean http.listen?", "c.yaml:5: http.max_connections: ", "c.yaml: auth.secret: a secret is needed")
		for _, fault := range want {
			if !strings.Contains(err.Error(), "/"+fault) {
				t.Errorf("%s: the faults\n%v\nlack %q", list, err, fault)
			}
		}
		if n := strings.Count(err.Error(), "\n") + 1; n != len(want) {
			t.Errorf("%s: %d faults, want %d:\n%v", list, n, len(want), err)
		}
	}
}

// What is wrong with another list says nothing about which protocols are on: the section of one that is off need not be complete.
func TestOffWhateverElseIsWrong(t *testing.T) {
	for _, wrong := range []string{"precedence: [xmp]", "precedence: [xmpp:dnd]", "identities: [{user: alice}]", "identities_file: /nowhere/identities.csv"} {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte("auth: {secret: "+secret+"}\nxmpp: {tls: starttls}\n"+wrong+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		settings, err := Load(config.Input{File: file}, BuiltIn())
		if err == nil {
			err = settings.Validate()
		}
		if err == nil || strings.Contains(err.Error(), "xmpp.jid") || strings.Contains(err.Error(), "xmpp.password") {
			t.Errorf("%s: %v; want the fault of this key alone", wrong, err)
		}
	}
}

func TestValidateStore(t *testing.T) {
	tests := []struct {
		change func(*Store)
		name   string
		want   string // empty: accepted
	}{
		{func(*Store) {}, "bolt", ""},
		{func(s *Store) { s.URL = "nats://127.0.0.1:4222" }, "nats", ""},
		{func(s *Store) { s.Kind, s.URL = "nats", "nats://127.0.0.1:4222" }, "nats", ""},
		{func(s *Store) { s.Kind = "memory" }, "memory", ""},
		{func(s *Store) { s.Kind = "nats" }, "nats", "store.kind: nats needs store.url, the servers of a NATS cluster: this daemon has none inside"},
		{func(s *Store) { s.URL = "http://x" }, "nats", "store.url: must be nats://host:port"},
		{func(s *Store) { s.Kind, s.URL = "bolt", "nats://127.0.0.1:4222" }, "bolt", "store.url: needs store.kind nats; it is bolt"},
		{func(s *Store) { s.Kind, s.URL = "memory", "nats://127.0.0.1:4222" }, "memory", "store.url: needs store.kind nats; it is memory"},
		{func(s *Store) { s.Replicas = 3 }, "bolt", "store.replicas: needs store.url"},
		{func(s *Store) { s.Credentials = "x" }, "bolt", "store.credentials: needs store.url"},
		{func(s *Store) { s.Retain = time.Hour }, "bolt", "store.retain: must be at least 24h0m0s; it is 1h0m0s"},
		{func(s *Store) { s.MaxUsers = -1 }, "bolt", "store.max_users: must not be negative; it is -1"},
		{func(s *Store) { s.MaxDevices = 0 }, "bolt", "store.max_devices: must be at least 1; it is 0"},
		{func(s *Store) { s.MaxSourceBytes = 16 * setting.KiB }, "bolt", "store.max_source_bytes: must be at least 1MiB; it is 16KiB"},
	}
	for _, test := range tests {
		s, got := DefaultStore(), ""
		test.change(&s)
		if err := s.Validate(); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") || s.Name() != test.name {
			t.Errorf("%s: %q, want %s: %q", s.Name(), got, test.name, test.want)
		}
	}
}

// An obsolete key is no fault.
func TestObsolete(t *testing.T) {
	settings := settingsOf(t, append(environment(t), "PRESENCE_STORE__SYNC=always"))
	const want = "environment variable PRESENCE_STORE__SYNC: store.sync: ignored, it means nothing any more: a change is on the disk before it is acknowledged"
	if got := settings.Warnings(); settings.Validate() != nil || len(got) != 1 || got[0] != want {
		t.Errorf("%v, %q", settings.Validate(), got)
	}
}

func TestOpenLog(t *testing.T) {
	var stderr bytes.Buffer
	logging, err := OpenLog(Log{Level: "warn", Format: "json"}, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	logging.Logger.Info("quiet")
	logging.Logger.Warn("loud", "n", 1)
	if got := stderr.String(); strings.Contains(got, "quiet") || !strings.Contains(got, `"level":"WARN","msg":"loud","n":1`) {
		t.Errorf("stderr got %q", got)
	}
	if err := errors.Join(logging.Reopen(), logging.Close()); err != nil {
		t.Errorf("Reopen and Close without a file: %v", err)
	}
	if _, err := OpenLog(Log{File: "/nowhere/x.log"}, &stderr); err == nil || err.Error() != "log.file: open /nowhere/x.log: no such file or directory" {
		t.Errorf("OpenLog: %v", err)
	}
}

// A log file that cannot be written is found without making one.
func TestLogFileIsValidated(t *testing.T) {
	folder := t.TempDir()
	there := filepath.Join(folder, "there.log")
	if err := os.WriteFile(there, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	absent, pipe := filepath.Join(folder, "absent.log"), filepath.Join(folder, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"":                             "",
		there:                          "",
		absent:                         "",
		os.DevNull:                     "",
		pipe:                           "log.file: " + pipe + " is a pipe that nobody reads",
		folder:                         "log.file: open " + folder + ": is a directory",
		filepath.Join(there, "x.log"):  "log.file: open " + there + "/x.log: not a directory",
		filepath.Join(absent, "x.log"): "log.file: it cannot be made in " + absent + ": no such file or directory",
	} {
		got := ""
		if err := (Log{Level: "info", Format: "text", File: name}).Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if _, err := os.Stat(absent); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s was made: %v", absent, err)
	}
	if content, _ := os.ReadFile(there); string(content) != "before\n" {
		t.Errorf("%s has %q now", there, content)
	}
}

// What logrotate does: move the file away, then signal.
func TestReopen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "presence.log")
	if err := os.WriteFile(name, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	logging, err := OpenLog(Log{Level: "info", Format: "text", File: name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	logging.Logger.Info("first")
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	logging.Logger.Info("second")
	if err := logging.Reopen(); err != nil {
		t.Fatal(err)
	}
	logging.Logger.Info("third")
	if err := logging.Close(); err != nil {
		t.Fatal(err)
	}
	old, _ := os.ReadFile(name + ".1")
	current, _ := os.ReadFile(name)
	if s := string(old); !strings.HasPrefix(s, "before\n") || !strings.Contains(s, "first") || !strings.Contains(s, "second") || strings.Contains(s, "third") {
		t.Errorf("the old file has %q", s)
	}
	if s := string(current); !strings.Contains(s, "third") || strings.Contains(s, "second") {
		t.Errorf("the new file has %q", s)
	}
}

// TestLogPipe: log.file is a pipe, and whoever reads it stands still. Nobody waits for that, and the log says what is missing.
func TestLogPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(name, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	logging, err := OpenLog(Log{Level: "info", Format: "json", File: name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1000 {
			logging.Logger.Info(strings.Repeat("x", 1000)) // a pipe takes 64 KiB
		}
		if err := logging.Reopen(); err != nil {
			t.Error(err)
		}
		logging.Logger.Info("reopened")
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("who logs waits for the pipe")
	}
	content := make(chan string)
	go func() {
		var all []byte
		buf := make([]byte, 1<<20)
		for !bytes.Contains(all, []byte("last")) {
			_ = reader.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, err := reader.Read(buf)
			all = append(all, buf[:n]...)
			if err != nil {
				break
			}
		}
		content <- string(all)
	}()
	<-done
	time.Sleep(pipeAgain)
	logging.Logger.Info("last")
	if all := <-content; !strings.Contains(all, `"msg":"lines are missing here","lines":`) || !strings.HasSuffix(all, `"msg":"last"}`+"\n") {
		t.Errorf("the log ends with %s", all[max(0, len(all)-500):])
	}
	if err := logging.Close(); err != nil {
		t.Error(err)
	}
}

// What a log is changed to holds for every logger that was made of it, and a file that cannot be opened changes nothing.
func TestLogIsChanged(t *testing.T) {
	var stderr bytes.Buffer
	logging, err := OpenLog(Log{Level: "warn", Format: "text"}, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	derived := logging.Logger.With("protocol", "xmpp").WithGroup("g")
	name := filepath.Join(t.TempDir(), "presence.log")
	if _, err := logging.Prepare(Log{Level: "debug", Format: "json", File: "/nowhere/x.log"}); err == nil {
		t.Error("a file that cannot be opened is accepted")
	}
	derived.Info("quiet")
	derived.Warn("before", "n", 1)
	apply, err := logging.Prepare(Log{Level: "info", Format: "json", File: name})
	if err != nil {
		t.Fatal(err)
	}
	derived.Warn("prepared", "n", 2)
	apply()
	derived.Info("after", "n", 3)
	apply, err = logging.Prepare(Log{Level: "info", Format: "text"})
	if err != nil {
		t.Fatal(err)
	}
	apply()
	derived.Info("back", "n", 4)
	if err := logging.Close(); err != nil {
		t.Error(err)
	}
	text, _ := os.ReadFile(name)
	if got := string(text); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"level":"INFO","msg":"after","protocol":"xmpp","g":{"n":3}`) {
		t.Errorf("the file has %q", got)
	}
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], "level=WARN msg=before protocol=xmpp g.n=1") || !strings.Contains(lines[1], "prepared") || !strings.HasSuffix(lines[2], "msg=back protocol=xmpp g.n=4") {
		t.Errorf("stderr has %q", lines)
	}
}

func loadWith(t *testing.T, protocols []Protocol, environ []string) (*Settings, error) {
	t.Helper()
	return Load(config.Input{Environ: environ}, protocols)
}
