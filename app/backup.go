package app

import (
	"cmp"
	"context"
	"sync/atomic"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Backup = (*Backup)(nil)

// Backup implements ports.Backup.
type Backup struct {
	core    Core
	clock   ports.Clock
	clients atomic.Pointer[map[domain.Protocol]domain.ExpiryPolicy]
}

// NewBackup makes the use case. What is left after a client protocol's expiry is decided by its policy, not by what is imported.
func NewBackup(core Core, clock ports.Clock, clients []domain.ClientProtocol) *Backup {
	b := &Backup{core: core, clock: clock}
	b.Configure(clients)
	return b
}

// Configure replaces the client protocols, for every import that begins later.
func (b *Backup) Configure(clients []domain.ClientProtocol) {
	policies := make(map[domain.Protocol]domain.ExpiryPolicy)
	for _, client := range clients {
		policies[client.Protocol] = client.Expiry
	}
	b.clients.Store(&policies)
}

// Export implements ports.Backup.
func (b *Backup) Export(ctx context.Context, by domain.Principal, visit func(user domain.UserID, p domain.Presence) error) error {
	users := make([]domain.UserID, 0, b.core.Image.Users())
	b.core.Image.Each(func(user domain.UserID, _ domain.Presences) bool {
		users = append(users, user)
		return !often(len(users)) || ctx.Err() == nil
	})
	if err := sortUntil(ctx, users, cmp.Compare[domain.UserID]); err != nil {
		return err
	}
	for _, user := range users {
		if err := ctx.Err(); err != nil {
			return err
		}
		kept, _ := b.core.Image.Kept(user)
		for _, p := range b.seen(by, user, kept) {
			if err := visit(user, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// seen returns what somebody sees of what is kept of a user.
func (b *Backup) seen(by domain.Principal, user domain.UserID, kept *domain.Known) domain.Presences {
	switch sight := b.core.Sights.Of(&by, user); {
	case sight < domain.SeesAll:
		return nil
	case sight == domain.SeesAll && kept.Invisible(b.core.Image.Known(b.clock.Now())):
		return kept.Mask.Presences
	}
	return kept.Presences
}

// Import implements ports.Backup. Of a presence that is there twice the later one counts.
func (b *Backup) Import(ctx context.Context, by domain.Principal, presences []domain.Change) (written int, err error) {
	latest, clients := make(map[image.Key]domain.Presence, len(presences)), *b.clients.Load()
	for _, change := range presences {
		key, p := image.KeyOf(change.User, &change.Presence), change.Presence
		if known, twice := latest[key]; twice && known.Updated >= p.Updated {
			continue
		}
		if policy, client := clients[p.Protocol]; client {
			p.Vanishes, p.Fixed = policy.Vanishes, p.Fixed || policy.After == 0 && !p.Expires.IsZero()
		}
		latest[key] = p
	}
	plan := func(writes []image.Write) ([]image.Write, error) {
		written = 0
		for key, p := range latest {
			kept, _ := b.core.Image.Kept(key.User)
			old, known := kept.Presences.Of(key.Protocol, key.Device)
			if !known || old.Updated < p.Updated {
				writes = append(writes, image.Write{User: key.User, Old: old, New: p})
			}
			if shown, known := b.seen(by, key.User, kept).Of(key.Protocol, key.Device); !known || shown.Updated < p.Updated {
				written++
			}
		}
		return writes, nil
	}
	if b.core.audited() {
		err = b.core.applyAudited(ctx, ports.OriginOf(ctx), nil, true, plan)
	} else {
		err = b.core.apply(ctx, plan)
	}
	if err != nil {
		return 0, err
	}
	return written, nil
}
