package app

import (
	"log/slog"

	"github.com/zarafa/presence/domain"
)

// Outbox is what an exporter is to tell.
type Outbox struct{ *outbox }

// Follow is what Exporters gives an exporter that has told everything up to a position.
func Follow(feed *Feed, since domain.Revision, log *slog.Logger) *Outbox {
	return FollowWhile(feed, since, func() error { return nil }, log)
}

// FollowWhile is Follow of a daemon that is ready or not.
func FollowWhile(feed *Feed, since domain.Revision, ready func() error, log *slog.Logger) *Outbox {
	return &Outbox{feed.outbox(domain.Principal{User: "webhook:crm", Service: true}, since, ready, log)}
}

// Position is what Exporters keeps.
func (o *Outbox) Position() (domain.Revision, bool) { return o.position() }
