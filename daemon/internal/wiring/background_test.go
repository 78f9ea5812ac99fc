package wiring

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/ports"
)

// stopping is a Shutdowner that tells when it is called.
type stopping chan struct{}

func (s stopping) Shutdown(...fx.ShutdownOption) error {
	close(s)
	return nil
}

// The store is loaded when the server listens, and everything else begins when it is loaded. At the end the parts end first.
func TestPhases(t *testing.T) {
	tests := []struct {
		name   string
		opened error // how loading the store ends
		broken error // what happens later
		want   string
	}{
		{"goes well", nil, nil, "listening, loading, running, draining, ended, closed"},
		{"cannot be opened", errors.New("store.dir: it is a file"), nil, "listening, loading, closed, store.dir: it is a file, draining"},
		{"breaks later", nil, errors.New("gap"), "listening, loading, running, closed, the store has failed: gap, draining, ended"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var all []string
				say := func(what string) {
					mu.Lock()
					defer mu.Unlock()
					all = append(all, what)
				}
				loaded, shutdown := make(chan struct{}), make(stopping)
				b := &background{loaded: loaded, shutdowner: shutdown}
				b.write = func(ctx context.Context) error {
					defer say("closed")
					say("loading")
					time.Sleep(time.Minute)
					if test.opened != nil {
						return test.opened
					}
					close(loaded)
					if test.broken != nil {
						time.Sleep(time.Minute)
						return test.broken
					}
					<-ctx.Done()
					return nil
				}
				b.parts = []part{{"a part", func(ctx context.Context) {
					say("running")
					<-ctx.Done()
					time.Sleep(time.Second)
					say("ended")
				}}}
				lifecycle := fxtest.NewLifecycle(t)
				lifecycle.Append(fx.StopHook(b.wait))
				lifecycle.Append(fx.StartStopHook(func() { say("listening") }, func() { say("draining") }))
				lifecycle.Append(fx.StartStopHook(b.start, func() { b.stop() }))
				lifecycle.RequireStart()
				select {
				case <-shutdown:
					say(b.Err().Error())
				case <-time.After(time.Hour):
				}
				lifecycle.RequireStop()
				if got := strings.Join(all, ", "); got != test.want {
					t.Errorf("%s\nwant %s", got, test.want)
				}
			})
		})
	}
}

// Stopping does not wait for ever for a part that does not end, and stopping what was not started does nothing.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loaded, release := make(chan struct{}), make(chan struct{})
		close(loaded)
		b := &background{
			loaded: loaded,
			write:  func(ctx context.Context) error { <-ctx.Done(); return nil },
			parts:  []part{{"a part", func(context.Context) { <-release }}},
		}
		if err := b.wait(t.Context()); err != nil {
			t.Errorf("before the start: %v", err)
		}
		b.start(t.Context())
		synctest.Wait()
		b.stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.wait(ctx); err == nil || !strings.Contains(err.Error(), "a part did not end in time") {
			t.Errorf("wait: %v", err)
		}
		close(release)
	})
}

// While the store is loaded the daemon listens, and asks clients to come back. Stopping it then takes no time.
func TestServesWhileLoading(t *testing.T) {
	environ := append(environment(t, "spreed"), "PRESENCE_STORE__KIND=nats", "PRESENCE_STORE__URL=nats://"+freeport.Address(t))
	daemon, err := New(settingsOf(t, environ), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + daemon.running.Server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("while loading a request is answered with %d", answer.StatusCode)
	}
	select {
	case <-daemon.Loaded():
		t.Error("it is loaded")
	default:
	}
	begin := time.Now()
	if err := daemon.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

// A store that cannot be loaded ends the daemon, with the reason.
func TestStoreFails(t *testing.T) {
	environ := append(environment(t, "spreed"), "PRESENCE_STORE__KIND=bolt", "PRESENCE_STORE__DIR=/dev/null")
	daemon, err := New(settingsOf(t, environ), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	signal := <-daemon.Wait()
	if err := daemon.Err(); err == nil || !strings.Contains(err.Error(), "store.dir: ") || strings.Contains(err.Error(), "\n") || signal.ExitCode != 1 {
		t.Errorf("exit code %d, %v; want one line about store.dir", signal.ExitCode, err)
	}
	if err := daemon.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The hooks of what is in the background surround those of the server.
func TestOrder(t *testing.T) {
	var out bytes.Buffer
	daemon, err := New(settingsOf(t, environment(t, "spreed")), slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(daemon.Start(t.Context()), daemon.Stop(t.Context())); err != nil {
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
	if got := strings.Join(started, " "); got != "http background" {
		t.Errorf("started: %s\n%s", got, out.String())
	}
	if got := strings.Join(stopped, " "); got != "background http background" {
		t.Errorf("stopped: %s", got)
	}
}

// What a module provides decides what a protocol is; a mistake is told by its name.
func TestBadModules(t *testing.T) {
	type config struct{}
	defaults := func() config { return config{} }
	source := func(config) (ports.Source, error) { return nil, errors.New("x.y: it is wrong") }
	tests := []struct {
		module fx.Option
		want   string
	}{
		{fx.Options(), "protocol xmpp2: its module must provide either a func(wiring.config) (ports.Source, error) or a func(wiring.config) (domain.ClientProtocol, error)"},
		{fx.Supply(source), "x.y: it is wrong"},
	}
	for _, test := range tests {
		protocols := append(BuiltIn(), NewProtocol("xmpp2", defaults, test.module))
		settings, err := loadWith(t, protocols, append(environment(t), "PRESENCE_PROTOCOLS=xmpp2"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(settings, slog.New(slog.DiscardHandler)); err == nil || err.Error() != test.want {
			t.Errorf("New: %v, want %s", err, test.want)
		}
	}
	if _, err := keysOf(append(BuiltIn(), BuiltIn()[0])); err == nil || err.Error() != BuiltIn()[0].name+": two protocols or other sections have this name" {
		t.Errorf("a protocol twice: %v", err)
	}
}
