package wiring

import (
	"fmt"

	"go.uber.org/fx"

	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/adapters/nats"
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

func (s Store) module() fx.Option {
	if s.Kind == storeMemory {
		return fx.Module("store", memory.Module, fx.Invoke(func(w *work) { w.open() }))
	}
	return fx.Module("store", fx.Supply(s.Config), nats.Module, fx.Invoke(func(lifecycle fx.Lifecycle, w *work, store *nats.Store) {
		w.load(lifecycle, store.Start, store.Failed(), store.Stop)
	}))
}
