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
const batchSize = 512

// rewrite replaces each of the presences by what change makes of it. change is called with what is stored, once more if
// somebody else wrote meanwhile, and must depend on nothing but its arguments; what it returns unchanged is not written. The keys
// must be distinct. It stops at the first error: the store's, or the context's.
func rewrite(ctx context.Context, store ports.Store, keys []presenceKey, change func(presenceKey, domain.Presence) domain.Presence) error {
	writes := make([]ports.Write, 0, min(len(keys), batchSize))
	for batch := range slices.Chunk(keys, batchSize) {
		for {
			writes = writes[:0]
			for _, key := range batch {
				old, _ := store.Presences(key.user).On(key.protocol)
				if next := change(key, old); next != old {
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
