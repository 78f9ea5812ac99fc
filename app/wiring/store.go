package wiring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"go.uber.org/fx"

	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/ports"
)

// Store is the section store of the configuration.
type Store struct {
	Kind string `koanf:"kind" help:"where presences are kept: nats (on the disk or in a cluster), or memory (a restart forgets them)"`
	nats.Config
}

// The values of Store.Kind.
const (
	storeNATS   = "nats"
	storeMemory = "memory"
)

// DefaultStore returns the defaults.
func DefaultStore() Store { return Store{Kind: storeNATS, Config: nats.DefaultConfig()} }

// Validate refuses a kind that there is not, and what is wrong about the store of that kind.
func (s Store) Validate() error {
	switch s.Kind {
	case storeMemory:
		return nil
	case storeNATS:
		return s.Config.Validate()
	default:
		return fmt.Errorf("store.kind: must be %s or %s, it is %q", storeNATS, storeMemory, s.Kind)
	}
}

// Reachable returns an error if the presences are in the daemon alone, where nobody else can get at them.
func (s Store) Reachable() error {
	if s.Kind == storeMemory {
		return fmt.Errorf("store.kind: with %s the presences are in the daemon alone: there is nothing to export, and nowhere to import to", storeMemory)
	}
	return nil
}

func (s Store) module() fx.Option {
	if s.Kind == storeMemory {
		return fx.Module("store", memory.Module, fx.Invoke(func(w *work) { w.open() }))
	}
	return fx.Module("store", fx.Supply(s.Config), nats.Module, fx.Invoke(func(lifecycle fx.Lifecycle, w *work, store *nats.Store) {
		w.load(lifecycle, store.Start, store.Failed(), store.Stop)
	}))
}

// OpenStore opens the store of a valid configuration, without a daemon. What is in store.dir can be used by one process at a time. If it
// has to be there already, no new one is made. The store is to be closed.
func (s *Settings) OpenStore(ctx context.Context, exists bool, log *slog.Logger) (*OpenedStore, error) {
	if err := s.Store.Reachable(); err != nil {
		return nil, err
	}
	where := s.Store.URL
	if where == "" {
		dir, err := s.Store.Directory()
		if err != nil {
			return nil, fmt.Errorf("store.dir: %w", err)
		}
		if err := checkDirectory(dir, exists); err != nil {
			return nil, fmt.Errorf("store.dir: %w", err)
		}
		where = dir
	}
	config := s.Store.Config
	config.Retain = 0 // to remove what is old is the daemon's task
	store := nats.New(config, log)
	if err := store.Start(ctx); err != nil {
		return nil, err
	}
	return &OpenedStore{Store: store, Where: where, close: store.Stop}, nil
}

// OpenedStore is a store that somebody other than a daemon has opened.
type OpenedStore struct {
	ports.Store
	Where string // the directory or the URL
	close func(context.Context) error
}

// Close closes it. What was written is kept.
func (s *OpenedStore) Close() error { return s.close(context.Background()) }

// checkDirectory refuses a directory with nothing in it, if there has to be something, and one that another user could not use any more
// if root wrote into it.
func checkDirectory(dir string, exists bool) error {
	entries, err := os.ReadDir(dir)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case exists && len(entries) == 0:
		return fmt.Errorf("there are no presences in %s; name the directory that the daemon has", dir)
	}
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	for there := dir; errors.Is(err, fs.ErrNotExist); info, err = os.Stat(there) {
		there = filepath.Dir(there)
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 {
		return fmt.Errorf("%s is in the hands of the user with the number %d, whose daemon could not use what root writes there; run this as that user", dir, owner.Uid)
	}
	return nil
}
