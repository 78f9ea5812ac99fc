package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

const (
	usersEvery   = time.Second // between two looks at how many users there are
	refusedEvery = time.Minute // between two lines about who was refused
)

// UserLimit bounds how many users there are. Who is there may stay, whatever the limit is. A nil *UserLimit allows any number. It may be used
// concurrently.
type UserLimit struct {
	image  *image.Image
	limits *CurrentLimits
	log    *slog.Logger

	coming  atomic.Int64  // users who have a place and may not be in the image yet
	updates atomic.Uint64 // refused
	reports atomic.Uint64 // dropped
}

// NewUserLimit allows at most as many users as the limits say.
func NewUserLimit(img *image.Image, limits *CurrentLimits, log *slog.Logger) *UserLimit {
	return &UserLimit{image: img, limits: limits, log: log}
}

// most returns how many users there may be; zero is any number.
func (l *UserLimit) most() int64 { return int64(l.limits.Get().Users) }

// Refused returns how many updates were refused, and how many of the sources' reports dropped, because there was no room for another user.
func (l *UserLimit) Refused() (updates, reports uint64) {
	if l == nil {
		return 0, 0
	}
	return l.updates.Load(), l.reports.Load()
}

// Run logs that there is soon no room for another user, and that there is none, until ctx ends. To be called once.
func (l *UserLimit) Run(ctx context.Context) {
	again := time.NewTicker(usersEvery)
	defer again.Stop()
	var said limitLog
	for {
		said.update(l)
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// limitLog is what Run has logged.
type limitLog struct {
	nearly           bool      // that nine tenths are there
	at               time.Time // when it was last logged that users were refused
	updates, reports uint64    // how many were refused by then
}

// update logs what has changed since the last time.
func (said *limitLog) update(l *UserLimit) {
	most, users := l.most(), int64(l.image.Users())
	nearly := most > 0 && users*10 >= most*9
	if nearly && !said.nearly {
		l.log.Warn("nine tenths of the users are there that there may be (store.max_users)", "users", users, "max_users", most)
	}
	said.nearly = nearly
	updates, reports := l.Refused()
	if updates == said.updates && reports == said.reports || !said.at.IsZero() && time.Since(said.at) < refusedEvery {
		return
	}
	l.log.Warn("there are as many users as there may be (store.max_users): new ones are refused", "users", users, "max_users", most,
		"updates_refused", updates-said.updates, "reports_dropped", reports-said.reports)
	said.at, said.updates, said.reports = time.Now(), updates, reports
}

// take keeps places for new users. It returns false, and keeps none, if there are not enough.
func (l *UserLimit) take(places int) bool {
	if l == nil || places == 0 {
		return true
	}
	coming := l.coming.Add(int64(places))
	if most := l.most(); most > 0 && int64(l.image.Users())+coming > most {
		l.coming.Add(-int64(places))
		return false
	}
	return true
}

// giveBack gives back places that take has kept: the users are in the image now, or will not be.
func (l *UserLimit) giveBack(places int) {
	if l != nil {
		l.coming.Add(-int64(places))
	}
}

// bounded reports whether there is a limit.
func (l *UserLimit) bounded() bool { return l != nil && l.most() > 0 }

// apply is commit.Writer.Apply for writes that may be about new users. It returns ports.ErrFull if there is no room for them.
func (c Core) apply(ctx context.Context, plan func(writes []image.Write) ([]image.Write, error)) error {
	if !c.UserLimit.bounded() {
		return c.Writer.Apply(ctx, plan)
	}
	places := 0
	defer func() { c.UserLimit.giveBack(places) }()
	return c.Writer.Apply(ctx, func(writes []image.Write) ([]image.Write, error) {
		writes, err := plan(writes)
		if err != nil {
			return writes, err
		}
		c.UserLimit.giveBack(places)
		places = 0
		added, one := c.newUsers(writes)
		if !c.UserLimit.take(added) {
			c.UserLimit.updates.Add(1)
			return writes, fmt.Errorf("%w: %s would be one too many", ports.ErrFull, one)
		}
		places = added
		return writes, nil
	})
}

// newUsers returns how many users writes are about who are not there yet, and one of them.
func (c Core) newUsers(writes []image.Write) (added int, one domain.UserID) {
	var seen map[domain.UserID]bool
	for i := range writes {
		w := &writes[i]
		if w.Old.Revision != 0 || w.New.Removed || seen[w.User] || c.Image.User(w.User) != nil {
			continue
		}
		added, one = added+1, w.User
		if len(writes) > 1 {
			if seen == nil {
				seen = make(map[domain.UserID]bool)
			}
			seen[w.User] = true
		}
	}
	return added, one
}
