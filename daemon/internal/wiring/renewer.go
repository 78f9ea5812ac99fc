package wiring

import (
	"context"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
)

// renewer has everything sent again, to clients and exporters, when identities, groups, or rules that go by groups, change what they see. No presence
// has changed then, so no revision says it.
type renewer struct {
	identities *app.Identities
	sights     *app.Sights
	feed       *app.Feed
	directory  *app.Directory
	server     *http.Server
	exporters  *app.Exporters
	told       *domain.Identities // what the clients were told last
}

func newRenewer(identities *app.Identities, sights *app.Sights, feed *app.Feed, directory *app.Directory, server *http.Server, exporters *app.Exporters) *renewer {
	return &renewer{identities: identities, sights: sights, feed: feed, directory: directory, server: server, exporters: exporters, told: identities.Table()}
}

// run looks at every table that comes, until ctx ends. The rules and the groups may be others than before the start.
func (r *renewer) run(ctx context.Context) {
	if !r.sights.Unrestricted() {
		r.feed.Anew()
	}
	r.directory.Regroup()
	for {
		changed := r.identities.Changed()
		if now := r.identities.Table(); now != r.told {
			regrouped := now.Regrouped(r.told)
			if len(regrouped) > 0 {
				r.directory.Regroup()
				r.server.RecheckKeys()
			}
			switch {
			case r.sights.ByGroup():
				r.anew()
			case !now.SameDisplayNames(r.told):
				r.server.Renew()
			default:
				r.server.Regroup(regrouped)
			}
			r.exporters.Renew() // who is in a group may be told of now
			r.told = now
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// anew has clients told everything anew because they see something else now: those with a stream, and those that ask what has changed.
func (r *renewer) anew() {
	r.feed.Anew()
	r.server.Renew()
}
