package wiring

import (
	"context"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
)

// names has clients told everything anew when identities, or rules that go by their groups, change what they see. That is no change of a user's
// presence, so no revision says it.
type names struct {
	identities *app.Identities
	sights     *app.Sights
	feed       *app.Feed
	server     *http.Server
	exporters  *app.Exporters
	told       *domain.Identities // what the clients were told last
}

func newNames(identities *app.Identities, sights *app.Sights, feed *app.Feed, server *http.Server, exporters *app.Exporters) *names {
	return &names{identities: identities, sights: sights, feed: feed, server: server, exporters: exporters, told: identities.Table()}
}

// run looks at every table that comes, until ctx ends. The rules may be others than before the start.
func (n *names) run(ctx context.Context) {
	if !n.sights.Unrestricted() {
		n.feed.Anew()
	}
	for {
		changed := n.identities.Changed()
		if now := n.identities.Table(); now != n.told {
			switch {
			case n.sights.ByGroup():
				n.anew()
			case !now.SameDisplayNames(n.told), !now.SameGroups(n.told):
				n.server.Renew()
			}
			n.exporters.Renew() // who is in a group may be told of now
			n.told = now
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// anew has clients told everything anew because they see something else now: those with a stream, and those that ask what has changed.
func (n *names) anew() {
	n.feed.Anew()
	n.server.Renew()
}
