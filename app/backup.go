package app

import (
	"context"
	"slices"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Backup = (*Backup)(nil)

// Backup implements ports.Backup.
type Backup struct{ core Core }

// NewBackup makes the use case.
func NewBackup(core Core) *Backup { return &Backup{core: core} }

// Users implements ports.Backup.
func (b *Backup) Users() []domain.UserID {
	users := make([]domain.UserID, 0, b.core.Image.Users())
	b.core.Image.Each(func(user domain.UserID, _ domain.Presences) bool {
		users = append(users, user)
		return true
	})
	slices.Sort(users)
	return users
}

// Presences implements ports.Backup.
func (b *Backup) Presences(user domain.UserID) domain.Presences { return b.core.Image.Presences(user) }

// Import implements ports.Backup.
func (b *Backup) Import(ctx context.Context, presences []domain.Change) (taken int, err error) {
	latest := make(map[image.Key]int, len(presences))
	for i := range presences {
		key := image.KeyOf(presences[i].User, &presences[i].Presence)
		if at, twice := latest[key]; !twice || presences[at].Presence.Updated < presences[i].Presence.Updated {
			latest[key] = i
		}
	}
	err = b.core.Writer.Apply(ctx, func(writes []image.Write) ([]image.Write, error) {
		taken = 0
		for _, i := range latest {
			user, next := presences[i].User, presences[i].Presence
			old, known := b.core.Image.Presences(user).Of(next.Protocol, next.Device)
			if !known || old.Updated < next.Updated {
				writes = append(writes, image.Write{User: user, Old: old, New: next})
				taken++
			}
		}
		return writes, nil
	})
	if err != nil {
		return 0, err
	}
	return taken, nil
}
