package app

import (
	"context"
	"errors"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
)

// respell makes one user of those that an earlier version kept apart although their ids are spellings of one. Of two presences the one that was
// updated last wins. It returns how many spellings are gone.
func respell(ctx context.Context, core Core, now domain.Timestamp) (gone int, err error) {
	spellings := make(map[domain.UserID]domain.UserID)
	core.Image.Each(func(kept domain.UserID, _ domain.Presences) bool {
		if user, err := domain.ParseUserID(string(kept)); err == nil && user != kept {
			spellings[kept] = user
		}
		return true
	})
	var faults []error
	for kept, user := range spellings {
		err := core.Writer.Apply(ctx, func(writes []image.Write) ([]image.Write, error) {
			for _, p := range core.Image.Presences(kept) {
				writes = append(writes, image.Write{User: kept, Old: p, New: p.Remove(now)})
				old, known := core.Image.Presences(user).Of(p.Protocol, p.Device)
				if !known || old.Updated < p.Updated {
					writes = append(writes, image.Write{User: user, Old: old, New: p})
				}
			}
			return writes, nil
		})
		if err != nil {
			faults = append(faults, err)
		} else {
			gone++
		}
	}
	return gone, errors.Join(faults...)
}
