package nats_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // they wait for elections most of the time
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// start starts a store, and stops it when the test ends.
func start(t *testing.T, change func(*nats.Config)) *nats.Store {
	t.Helper()
	return startLogging(t, slog.DiscardHandler, change)
}

// startLogging is start, with what the store says.
func startLogging(t *testing.T, log slog.Handler, change func(*nats.Config)) *nats.Store {
	t.Helper()
	cfg := nats.DefaultConfig()
	cfg.Dir = t.TempDir()
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s := nats.New(cfg, slog.New(log))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ended stops a store, so that another one can take over what it has left.
func ended(t *testing.T, s ports.Store) {
	t.Helper()
	if s != nil {
		stop(t, s.(*nats.Store))
	}
}

// reloading starts a store over what the one before has left in its directory, with a snapshot every other time.
func reloading(change func(*nats.Config)) func(*testing.T, ports.Store) ports.Store {
	var dir string
	times := 0
	return func(t *testing.T, before ports.Store) ports.Store {
		if before == nil {
			dir = t.TempDir()
		} else if times++; times%2 == 0 {
			if err := before.(*nats.Store).Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ended(t, before)
		return start(t, func(c *nats.Config) { c.Dir = dir; change(c) })
	}
}

func TestReload(t *testing.T) {
	t.Run("sync=system", func(t *testing.T) { portstest.Reload(t, reloading(func(*nats.Config) {})) })
	t.Run("sync=always", func(t *testing.T) { portstest.Reload(t, reloading(func(c *nats.Config) { c.Sync = "always" })) })
	t.Run("servers=3", func(t *testing.T) {
		cluster := natstest.Start(t, natstest.Options{Servers: 3})
		buckets := 0
		portstest.Reload(t, func(t *testing.T, before ports.Store) ports.Store {
			if before == nil {
				buckets++
			}
			ended(t, before)
			return joined(t, cluster.URL(), 3, func(c *nats.Config) { c.Bucket = fmt.Sprint("sentence", buckets) })
		})
	})
}

func TestContract(t *testing.T) {
	t.Run("sync=system", func(t *testing.T) {
		portstest.Store(t, func(t *testing.T) ports.Store { return start(t, nil) })
	})
	t.Run("sync=always", func(t *testing.T) {
		portstest.Store(t, func(t *testing.T) ports.Store { return start(t, func(c *nats.Config) { c.Sync = "always" }) })
	})
	for _, servers := range []int{1, 3} {
		t.Run(fmt.Sprintf("servers=%d", servers), func(t *testing.T) {
			cluster := natstest.Start(t, natstest.Options{Servers: servers})
			buckets := 0
			portstest.Store(t, func(t *testing.T) ports.Store {
				buckets++
				return joined(t, cluster.URL(), servers, func(c *nats.Config) { c.Bucket = fmt.Sprint("sentence", buckets) })
			})
		})
	}
}
