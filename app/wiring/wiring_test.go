package wiring

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"
	"go.uber.org/goleak"

	"github.com/zarafa/presence/app/config"
	"github.com/zarafa/presence/ports"
)

func TestMain(m *testing.M) {
	// fasthttp keeps the time of day in a goroutine of its own, for as long as the process lives.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

const secret = "Ga7ouK9eeRie4oovQuai"

// environment is a configuration with which every protocol can be made.
func environment(protocols []string) []string {
	return []string{
		"PRESENCE_AUTH__SECRET=" + secret,
		"PRESENCE_HTTP__LISTEN=127.0.0.1:0",
		"PRESENCE_PROTOCOLS=" + strings.Join(protocols, ","),
		"PRESENCE_XMPP__JID=presence@example.test",
		"PRESENCE_XMPP__PASSWORD=" + secret,
		"PRESENCE_XMPP__HOST=127.0.0.1:9", // nobody there
		"PRESENCE_LOG__LEVEL=debug",
	}
}

func settingsOf(t *testing.T, environ []string) *Settings {
	t.Helper()
	settings, err := Load(config.Input{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// combinations returns every choice of at least one protocol.
func combinations() [][]string {
	var all [][]string
	for bits := 1; bits < 1<<len(protocols); bits++ {
		var names []string
		for i, name := range protocolNames() {
			if bits&(1<<i) != 0 {
				names = append(names, name)
			}
		}
		all = append(all, names)
	}
	return all
}

// The graph is complete for every choice of protocols, invoked functions included, and everything in it can be made.
func TestGraph(t *testing.T) {
	for _, names := range combinations() {
		t.Run(strings.Join(names, "+"), func(t *testing.T) {
			settings := settingsOf(t, environment(names))
			if err := settings.Validate(); err != nil {
				t.Fatal(err)
			}
			if err := fx.ValidateApp(options(settings, slog.New(slog.DiscardHandler), newWork())); err != nil {
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
			t.Setenv("XDG_STATE_HOME", t.TempDir())
			daemon, err := New(settingsOf(t, environment(names)), logging.Logger)
			if err != nil {
				t.Fatal(err)
			}
			if err := daemon.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("tcp", daemon.Addr().String())
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
			if _, err := net.Dial("tcp", daemon.Addr().String()); err == nil {
				t.Error("it still listens after Stop")
			}
			if log := out.String(); !strings.Contains(log, "msg=started protocols=\"["+strings.Join(names, " ")+"]\" store=nats") &&
				!strings.Contains(log, "msg=started protocols=["+names[0]+"] store=nats") {
				t.Errorf("the log lacks a line about the start:\n%s", log)
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
	daemon, err := New(settingsOf(t, append(environment([]string{"spreed"}), "PRESENCE_HTTP__LISTEN="+address)), slog.New(slog.DiscardHandler))
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
	settings := settingsOf(t, append(environment([]string{"spreed"}), "PRESENCE_AUTH__SECRET=short"))
	_, err := New(settings, slog.New(slog.DiscardHandler))
	if err == nil || !strings.HasPrefix(err.Error(), "auth.secret: the secret has 5 characters") || strings.Contains(err.Error(), "\n") {
		t.Errorf("New: %v; want one line about auth.secret", err)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		environ []string
		want    string // empty: accepted
	}{
		{environment([]string{"spreed"}), ""},
		{environment(nil), "environment variable PRESENCE_PROTOCOLS: protocols: at least one is needed; known are manual, spreed, xmpp"},
		{environment([]string{"sprede"}), `environment variable PRESENCE_PROTOCOLS: protocols: unknown protocol "sprede"; did you mean spreed?; known are manual, spreed, xmpp`},
		{environment([]string{"telepathy"}), `protocols: unknown protocol "telepathy"; known are manual, spreed, xmpp`},
		{environment([]string{"spreed", "spreed"}), "protocols: spreed is there twice"},
		{append(environment([]string{"spreed"}), "PRESENCE_STORE__KIND=redis"), `store.kind: must be nats or memory, it is "redis"`},
		{append(environment([]string{"spreed"}), "PRESENCE_LOG__LEVEL=loud"), `log.level: must be debug, info, warn or error; it is "loud"`},
		{append(environment([]string{"spreed"}), "PRESENCE_LOG__FORMAT=xml"), `log.format: must be text or json; it is "xml"`},
		{append(environment([]string{"spreed"}), "PRESENCE_XMPP__TLS=never"), ""}, // it is off
		{append(environment([]string{"xmpp"}), "PRESENCE_XMPP__TLS=never"), "xmpp.tls"},
		{append(environment([]string{"xmpp"}), "PRESENCE_SPREED__AUTO_UNAVAILABLE=0s"), ""}, // it is off
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
	absent := filepath.Join(folder, "absent.log")
	for name, want := range map[string]string{
		"":                             "",
		there:                          "",
		absent:                         "",
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

// A part that breaks makes the daemon fail; one that merely ends with its context does not.
func TestWork(t *testing.T) {
	broken := errors.New("the watch broke")
	tests := []struct {
		name string
		run  func(context.Context) error
		want string
	}{
		{"breaks", func(context.Context) error { return broken }, "a part has failed: the watch broke"},
		{"ends with its context", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, ""},
		{"has nothing to do", func(context.Context) error { return nil }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lifecycle, w := fxtest.NewLifecycle(t), newWork()
				w.during(lifecycle, "a part", test.run)
				w.open()
				lifecycle.RequireStart()
				synctest.Wait()
				w.cancel()
				lifecycle.RequireStop()
				got := ""
				select {
				case err := <-w.failed:
					got = err.Error()
				default:
				}
				if got != test.want {
					t.Errorf("failed with %q, want %q", got, test.want)
				}
			})
		})
	}
}

// The store is opened when somebody listens, and everything else begins when it is loaded.
func TestWorkPhases(t *testing.T) {
	tests := []struct {
		name   string
		opened error // how opening the store ends
		broken error // what happens later
		want   string
	}{
		{"goes well", nil, nil, "listening, opening, loaded, running, ended, closed"},
		{"cannot be opened", errors.New("store.dir: it is a file"), nil, "listening, opening, store.dir: it is a file, closed"},
		{"breaks later", nil, errors.New("gap"), "listening, opening, loaded, running, the store has failed: gap, ended, closed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lifecycle, w, broken, said := fxtest.NewLifecycle(t), newWork(), make(chan error, 1), make(chan string, 20)
				w.load(lifecycle,
					func(context.Context) error {
						time.Sleep(time.Second)
						said <- "opening"
						return test.opened
					},
					broken,
					func(context.Context) error {
						said <- "closed"
						return nil
					})
				w.during(lifecycle, "a part", func(ctx context.Context) error {
					time.Sleep(time.Second)
					said <- "running"
					<-ctx.Done()
					said <- "ended"
					return nil
				})
				lifecycle.RequireStart()
				time.Sleep(time.Minute)
				said <- "listening"
				if err := w.Ready(); !errors.Is(err, ports.ErrLoading) {
					t.Errorf("before it is loaded: %v", err)
				}
				if err := w.begin(t.Context()); err != nil {
					said <- err.Error()
				} else {
					said <- "loaded"
					if err := w.Ready(); err != nil {
						t.Errorf("when it is loaded: %v", err)
					}
				}
				time.Sleep(time.Minute)
				if test.broken != nil {
					broken <- test.broken
					said <- (<-w.failed).Error()
				}
				w.cancel()
				lifecycle.RequireStop()
				close(said)
				var all []string
				for text := range said {
					all = append(all, text)
				}
				if got := strings.Join(all, ", "); got != test.want {
					t.Errorf("%s\nwant %s", got, test.want)
				}
			})
		})
	}
}

// While the store is loaded the daemon listens, and asks clients to come back.
func TestServesWhileLoading(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	daemon, err := New(settingsOf(t, environment([]string{"spreed"})), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.app.Start(t.Context()); err != nil { // the first half of daemon.Start
		t.Fatal(err)
	}
	status := func() int {
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + daemon.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	if got := status(); got != http.StatusServiceUnavailable {
		t.Errorf("while loading a request is answered with %d", got)
	}
	if err := daemon.work.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := status(); got != http.StatusBadRequest {
		t.Errorf("later a request without a body is answered with %d", got)
	}
	if err := daemon.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Stopping does not wait for ever for a part that does not end.
func TestWorkHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lifecycle, w := fxtest.NewLifecycle(t), newWork()
		release := make(chan struct{})
		w.during(lifecycle, "a part", func(context.Context) error { <-release; return nil })
		w.open()
		lifecycle.RequireStart()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := lifecycle.Stop(ctx); err == nil || !strings.Contains(err.Error(), "a part did not end in time") {
			t.Errorf("Stop: %v", err)
		}
		close(release)
	})
}

// What is in the background ends after the server has: its hooks surround those of the server. That it begins later is up to
// work.
func TestOrder(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	var out bytes.Buffer
	daemon, err := New(settingsOf(t, environment([]string{"spreed"})), slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var started, stopped []string
	for line := range strings.Lines(out.String()) {
		part := "background"
		if strings.Contains(line, "http.") {
			part = "http"
		}
		switch {
		case strings.Contains(line, `msg="OnStart hook executed"`):
			started = append(started, part)
		case strings.Contains(line, `msg="OnStop hook executed"`):
			stopped = append(stopped, part)
		}
	}
	if got := strings.Join(started, " "); got != "background background background http" {
		t.Errorf("started: %s\n%s", got, out.String())
	}
	if got := strings.Join(stopped, " "); got != "http background background background" {
		t.Errorf("stopped: %s", got)
	}
}
