package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// presenceKey names one presence.
type presenceKey struct {
	user     domain.UserID
	protocol domain.Protocol
}

// batchSize is how many presences are written at once, so that no other writer waits long.
const batchSize = 128

// rewrite replaces the presence that each of the items names by what change makes of it. change is called with what is stored,
// once more if somebody else wrote meanwhile, and must depend on nothing but its arguments; what it returns unchanged is not
// written. No two items may name the same presence. It stops at the first error: the store's, or the context's.
func rewrite[T any](ctx context.Context, store ports.Store, items []T, name func(T) presenceKey, change func(T, domain.Presence) domain.Presence) error {
	writes := make([]ports.Write, 0, min(len(items), batchSize))
	for batch := range slices.Chunk(items, batchSize) {
		for {
			writes = writes[:0]
			for _, item := range batch {
				key := name(item)
				old, _ := store.Presences(key.user).On(key.protocol)
				if next := change(item, old); next != old {
					writes = append(writes, ports.Write{User: key.user, Old: old, New: next})
				}
			}
			if len(writes) == 0 {
				break
			}
			err := store.Apply(ctx, writes)
			if err == nil {
				break
			}
			if !errors.Is(err, ports.ErrConflict) {
				return fmt.Errorf("write presences: %w", err)
			}
		}
	}
	return nil
}

// itself is the name of an item that is a key.
func itself(key presenceKey) presenceKey { return key }
