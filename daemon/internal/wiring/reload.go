package wiring

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"go.uber.org/fx"

	"github.com/zarafa/presence/adapters/audit"
	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/adapters/identities"
	"github.com/zarafa/presence/adapters/oidc"
	"github.com/zarafa/presence/adapters/webhook"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// running is what a reload changes while it runs.
type running struct {
	fx.In

	Tokens      *auth.Tokens
	Provider    *oidc.Verifier
	Core        app.Core
	Presence    *app.Presence
	Feed        *app.Feed
	Sights      *app.Sights
	Census      *app.Census
	Health      *app.Health
	Backup      *app.Backup
	Continuity  *app.Continuity
	Housekeeper *app.Housekeeper
	Supervisor  *app.Supervisor
	Server      *http.Server
	Audit       *audit.Log
	Identities  *identities.Follower
	Renewer     *renewer
	Exporters   *app.Exporters
	Groups      ports.Groups

	Constructors []constructor `group:"protocols"`
}

// Users is how many users are known, also while the daemon loads.
func (d *Daemon) Users() int { return d.running.Core.Image.Users() }

// Sources tells how the sources are doing.
func (d *Daemon) Sources() []domain.SourceStatus { return d.running.Supervisor.Statuses() }

// Writable reports whether the last write was kept.
func (d *Daemon) Writable() bool { return d.running.Core.Writer.Statistics().Writable }

// Answer returns as soon as the image answers. While the daemon loads it returns at once.
func (d *Daemon) Answer() {
	select {
	case <-d.Loaded():
		img := d.running.Core.Image
		_, _ = img.Removals(img.Revision()) // takes the lock under which everything changes; that something is forgotten is an answer, too
	default:
	}
}

// Reloaded is what a reload has done, by the names of keys.
type Reloaded struct {
	Changed []string // what has another value now
	Kept    []string // what was to get one, and takes effect at the next start
}

// Reload puts other valid settings into effect, as far as that is possible while the daemon runs. It disturbs nothing that is not concerned: a source
// whose section is the same goes on, and so do requests, and streams whose tokens are still good. If it returns an error nothing has changed, and the
// error has a line for each fault. It returns at once; sources end and begin in the background, within a second. It may be called while the daemon loads;
// not concurrently with itself or with Stop.
func (d *Daemon) Reload(next *Settings, log *Logging) (Reloaded, error) {
	var did Reloaded
	before := d.settings
	for _, key := range next.Keep(before.Loaded) {
		did.Kept = append(did.Kept, key.Name)
	}
	did.Kept = append(did.Kept, next.HTTP.KeepTLS(before.HTTP)...)
	changed := next.Changed(before.Loaded)
	sections := make([]string, 0, len(changed)) // that have changed
	for _, key := range changed {
		did.Changed = append(did.Changed, key.Name)
		section, _, _ := strings.Cut(key.Name, ".")
		sections = append(sections, section)
	}

	// What can fail comes first.
	parts, err := remakeParts(next, d.running.Constructors, d.made, sections)
	if err = errors.Join(err, next.Auth.Validate()); err != nil {
		return Reloaded{}, err
	}
	webhooks, err := next.remakeWebhooks(d.webhooks, d.running.Groups, d.log)
	if err != nil {
		return Reloaded{}, err
	}
	applyIdentities := func() {}
	if slices.Contains(did.Changed, "identities") || slices.Contains(did.Changed, "identities_file") { // else its file is followed anyway
		if applyIdentities, err = d.running.Identities.Prepare(next.General.Identities, next.General.IdentitiesFile); err != nil {
			return Reloaded{}, err
		}
	}
	applyTLS, err := d.running.Server.PrepareTLS(next.HTTP)
	if err != nil {
		return Reloaded{}, err
	}
	applyLog, err := log.Prepare(next.Log) // last: it opens files, which only applyLog takes care of
	if err != nil {
		return Reloaded{}, err
	}

	applyLog()
	applyTLS()
	applyIdentities()
	rules := slices.Contains(did.Changed, "visibility") || slices.Contains(did.Changed, "auth.see_invisible") ||
		slices.Contains(did.Changed, "auth.services") && next.byService()
	if rules {
		d.see(next)
	}
	d.apply(next, parts)
	d.offer(next.General)
	if slices.Contains(did.Changed, "precedence") {
		d.prefer(next.General)
	}
	if rules {
		d.running.Renewer.anew() // when the rules for tokens are those of now, too
	}
	d.export(next, webhooks)
	d.settings, d.made = next, parts.Made
	return did, nil
}

// export has webhooks told what the settings say, by the rules of now.
func (d *Daemon) export(next *Settings, webhooks []*webhook.Exporter) {
	if err := d.running.Exporters.Configure(exportersOf(webhooks), next.rules()); err != nil { // their names differ
		d.log.Error("the webhooks could not be put into effect", "err", err)
	}
	d.webhooks = webhooks
}

// prefer has another precedence decide. What the users are by it is told to those who watch them.
func (d *Daemon) prefer(g General) {
	precedence, _ := g.precedence() // a valid one
	d.running.Core.Image.Prefer(precedence)
	d.running.Feed.Configure(precedence)
	d.running.Census.Configure(precedence)
	d.running.Server.Renew()
}

// offer says what people can pick their status from.
func (d *Daemon) offer(g General) {
	entries, _ := g.statusEntries() // valid ones
	d.running.Server.Offer(entries)
}

// see has other rules say who sees what.
func (d *Daemon) see(next *Settings) {
	rules, _ := next.visibility() // valid ones
	d.running.Sights.Configure(rules)
}

// apply changes everything that runs. None of it can fail by now: the settings are valid, and each protocol is there once.
func (d *Daemon) apply(next *Settings, parts parts) {
	r := &d.running
	if d.off == nil {
		d.off = map[string]domain.Source{}
	}
	maps.Copy(d.off, d.made.missing(parts.Made))
	maps.DeleteFunc(d.off, func(name string, _ domain.Source) bool { return slices.Contains(next.Enabled(), name) })
	r.Core.Limits.Set(next.Store.forApp())
	r.Housekeeper.Configure(next.Store.Retain)
	r.Health.Configure(next.Health.StaleAfter)
	r.Continuity.Configure(parts.Clients, next.Auth.ClockSkew)
	r.Backup.Configure(parts.Clients)
	err := errors.Join(
		r.Tokens.Configure(next.Auth),
		r.Presence.Configure(parts.Clients, parts.ReadOnly),
		r.Supervisor.Configure(parts.Sources, slices.Collect(maps.Values(d.off))))
	if err != nil {
		d.log.Error("a part of the configuration could not be put into effect", "err", err)
	}
	r.Provider.Configure(next.OIDC, next.Auth.ClockSkew)
	r.Server.Configure(next.HTTP) // last: it ends the streams that the new rules for tokens do not allow
}
