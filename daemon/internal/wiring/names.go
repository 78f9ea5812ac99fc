package wiring

import (
	"context"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
)

// names has the event streams begin anew when somebody has another display name, or is in other groups, which is no change of a user's presence.
type names struct {
	identities *app.Identities
	server     *http.Server
	told       *domain.Identities // what the streams were told last
}

func newNames(identities *app.Identities, server *http.Server) *names {
	return &names{identities: identities, server: server, told: identities.Table()}
}

// run looks at every table that comes, until ctx ends.
func (n *names) run(ctx context.Context) {
	for {
		changed := n.identities.Changed()
		if now := n.identities.Table(); now != n.told {
			if !now.SameDisplayNames(n.told) || !now.SameGroups(n.told) {
				n.server.Renew()
			}
			n.told = now
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
