package wiring

import (
	"context"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
)

// names has clients told everything anew when identities, their groups, or rules that go by groups, change what they see. That is no change of a user's
// presence, so no revision says it.
type names struct {
	identities *app.Identities
	sights     *app.Sights
	feed       *app.Feed
	directory  *app.Directory
	server     *http.Server
	exporters  *app.Exporters
	told       *domain.Identities // what the clients were told last
}

func newNames(identities *app.Identities, sights *app.Sights, feed *app.Feed, directory *app.Directory, server *http.Server, exporters *app.Exporters) *names {
	return &names{identities: identities, sights: sights, feed: feed, directory: directory, server: server, exporters: exporters, told: identities.Table()}
}

// run looks at every table that comes, until ctx ends. The rules and the groups may be others than before the start.
func (n *names) run(ctx context.Context) {
	if !n.sights.Unrestricted() {
		n.feed.Anew()
	}
	n.directory.Regroup()
	for {
		changed := n.identities.Changed()
		if now := n.identities.Table(); now != n.told {
			regrouped := !now.SameGroups(n.told)
			if regrouped {
				n.directory.Regroup()
			}
			switch {
			case n.sights.ByGroup():
				n.anew()
			case regrouped, !now.SameDisplayNames(n.told):
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
