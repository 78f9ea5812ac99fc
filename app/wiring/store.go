package wiring

import (
	"fmt"

	"go.uber.org/fx"

	"github.com/zarafa/presence/adapters/memory"
)

// Store is the section store of the configuration.
type Store struct {
	Kind string `koanf:"kind" help:"where presences are kept: memory (a restart forgets them)"`
}

// DefaultStore returns the defaults.
func DefaultStore() Store { return Store{Kind: "memory"} }

// Validate refuses a kind that there is not.
func (s Store) Validate() error {
	if s.Kind != "memory" {
		return fmt.Errorf("store.kind: must be memory, the only kind that this version has; it is %q", s.Kind)
	}
	return nil
}

func (s Store) module() fx.Option { return memory.Module }
