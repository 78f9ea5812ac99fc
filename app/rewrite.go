package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/zarafa/presence/app/commit"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Core is what the use cases work on: an image of all presences, what writes them, and how many there may be.
type Core struct {
	Image     *image.Image
	Writer    *commit.Writer
	Limits    *CurrentLimits
	Sights    *Sights     // nil: everybody sees all
	UserLimit *UserLimit  // nil: any number
	Audit     ports.Audit // nil: nobody wants to know
}

// batchSize is how many presences are written at once, so that no other writer waits long.
const batchSize = 128

// rewrite replaces the presence that each of the items names by what change makes of it. change is called with what is there, once more if
// somebody else wrote meanwhile, and must depend on nothing but its arguments; what it returns unchanged is not written. No two items may name
// the same presence. It stops at the first error: see commit.Writer.Apply.
func rewrite[T any](ctx context.Context, core Core, items []T, name func(T) image.Key, change func(T, domain.Presence) domain.Presence) error {
	for batch := range slices.Chunk(items, batchSize) {
		err := core.Writer.Apply(ctx, func(writes []image.Write) ([]image.Write, error) {
			for _, item := range batch {
				key := name(item)
				old, _ := core.Image.Presences(key.User).Of(key.Protocol, key.Device)
				if next := change(item, old); next != old {
					writes = append(writes, image.Write{User: key.User, Old: old, New: next})
				}
			}
			return writes, nil
		})
		if err != nil {
			return fmt.Errorf("write presences: %w", err)
		}
	}
	return nil
}

// writers is how many batches rewriteAtOnce writes at once.
const writers = 32

// rewriteAtOnce is rewrite with several batches at once, which commit.Writer makes one entry of: quicker, and others wait longer.
func rewriteAtOnce[T any](ctx context.Context, core Core, items []T, name func(T) image.Key, change func(T, domain.Presence) domain.Presence) error {
	var writing sync.WaitGroup
	faults := make(chan error, writers)
	for some := range slices.Chunk(items, max(batchSize, (len(items)+writers-1)/writers)) {
		writing.Go(func() { faults <- rewrite(ctx, core, some, name, change) })
	}
	writing.Wait()
	close(faults)
	var all []error
	for fault := range faults {
		all = append(all, fault)
	}
	return errors.Join(all...)
}

// keys returns the presences that are wanted.
func (c Core) keys(wanted func(domain.Presence) bool) (keys []image.Key) {
	c.Image.Each(func(user domain.UserID, presences domain.Presences) bool {
		for _, p := range presences {
			if wanted(p) {
				keys = append(keys, image.KeyOf(user, &p))
			}
		}
		return true
	})
	return keys
}

// itself is the name of an item that is a key.
func itself(key image.Key) image.Key { return key }
