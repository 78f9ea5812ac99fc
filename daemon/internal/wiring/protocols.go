package wiring

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"go.uber.org/fx"

	"github.com/zarafa/presence/adapters/asterisk"
	"github.com/zarafa/presence/adapters/caldav"
	"github.com/zarafa/presence/adapters/identities"
	"github.com/zarafa/presence/adapters/irc"
	"github.com/zarafa/presence/adapters/manual"
	"github.com/zarafa/presence/adapters/spreed"
	"github.com/zarafa/presence/adapters/webhook"
	"github.com/zarafa/presence/adapters/xmpp"
	"github.com/zarafa/presence/daemon/internal/suggest"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// BuiltIn is every protocol that comes with the daemon.
func BuiltIn() []Protocol {
	return []Protocol{
		NewProtocol("asterisk", asterisk.DefaultConfig, asterisk.Module),
		NewProtocol("calendar", caldav.DefaultConfig, caldav.Module),
		NewProtocol("irc", irc.DefaultConfig, irc.Module),
		NewProtocol("manual", manual.DefaultConfig, manual.Module),
		NewProtocol("spreed", spreed.DefaultConfig, spreed.Module),
		NewProtocol("xmpp", xmpp.DefaultConfig, xmpp.Module),
	}
}

// ByHand is the protocol of what people set themselves.
var ByHand = manual.Protocol

// Protocol is a protocol that a daemon can have. Make it with NewProtocol.
type Protocol struct {
	name string
	make func() section
}

// section is a protocol with a configuration of its own.
type section struct {
	name   string
	config any // a pointer to the adapter's Config
	module fx.Option
}

// switched is a Config that says itself whether its protocol is on. Every other protocol is on if the key protocols lists it.
type switched interface{ On() bool }

// NewProtocol names a protocol: see daemon.Protocol.
func NewProtocol[C any](name string, defaults func() C, module fx.Option) Protocol {
	bind := func(c constructors[C]) (constructor, error) { return c.bind(name) }
	module = fx.Module(name,
		fx.Decorate(func(log *slog.Logger) *slog.Logger { return log.With("protocol", name) }),
		module,
		fx.Provide(fx.Annotate(bind, fx.ResultTags(`group:"protocols"`))))
	return Protocol{name, func() section {
		cfg := defaults()
		return section{name, &cfg, module}
	}}
}

// constructors is what the module of a protocol with the configuration C provides: one of them.
type constructors[C any] struct {
	fx.In

	Source func(C) (ports.Source, error)          `optional:"true"`
	Client func(C) (domain.ClientProtocol, error) `optional:"true"`
}

// constructor makes a protocol of its section's Config, to which config points: a source or a client protocol.
type constructor struct {
	name   string
	source func(config any) (ports.Source, error)
	client func(config any) (domain.ClientProtocol, error)
}

func (c constructors[C]) bind(name string) (constructor, error) {
	made := constructor{name: name}
	if (c.Source == nil) == (c.Client == nil) {
		return made, fmt.Errorf("protocol %s: its module must provide either a func(%T) (ports.Source, error) or a func(%[2]T) (domain.ClientProtocol, error)",
			name, *new(C))
	}
	if c.Source != nil {
		made.source = func(config any) (ports.Source, error) { return c.Source(*config.(*C)) }
	} else {
		made.client = func(config any) (domain.ClientProtocol, error) { return c.Client(*config.(*C)) }
	}
	return made, nil
}

// Names lists the sources and the client protocols.
func Names(protocols []Protocol) (sources, clients []string) {
	general := newSettings(protocols).General
	for _, name := range general.known {
		if !slices.Contains(general.sources, name) {
			clients = append(clients, name)
		}
	}
	return general.sources, clients
}

// General holds the keys at the top level of the configuration.
type General struct {
	Protocols  []string `koanf:"protocols" help:"the sources that are on, such as xmpp; manual and spreed have a key enabled of their own"`
	Precedence []string `koanf:"precedence" help:"what decides before the strongest status does, the first that matches: protocols such as manual, and statuses of protocols such as calendar:away"`

	Clients map[string]Client `koanf:"clients" help:"further protocols that clients set, by name, each with expire and on_expiry (unavailable or remove)"`

	IdentitiesFile string              `koanf:"identities_file" help:"file that says what users are called on protocols whose names are no ids, .yaml or .csv; it is read again when it changes"`
	Identities     []identities.Record `koanf:"identities" help:"what users are called on protocols whose names are no ids, beside identities_file"`

	Visibility []VisibilityRule `koanf:"visibility" help:"who sees what: rules with viewer, user and sees (all, status, nothing); the first that matches counts; empty: everybody sees all"`

	StatusEntries []StatusEntry `koanf:"status_entries" help:"what the board and presence-me offer people to set beside the four statuses, each with label, status, activity and for, such as Lunch"`

	Webhooks []Webhook `koanf:"webhooks" help:"HTTP endpoints that are told of changes, each with name, url and secret, and perhaps old_secret, ca_file, users, groups and events (status, message, activity)"`

	known, sources []string // all protocols, and those that this key turns on
}

// Validate refuses a protocol that is not known or named twice, and lists that cannot be.
func (g General) Validate() error {
	_, err := g.precedence()
	_, undeclared := g.clients()
	_, unread := g.ReadIdentities()
	_, unoffered := g.statusEntries()
	_, unruled := g.visibility(domain.UserList{})
	return errors.Join(g.validateList(), err, undeclared, unread, unoffered, unruled, webhook.Validate(g.Webhooks))
}

// Warnings says what the administrator should know.
func (g General) Warnings() []string { return webhook.Warnings(g.Webhooks) }

// validateList refuses a protocol that is not known or named twice.
func (g General) validateList() error {
	var faults []error
	for i, name := range g.Protocols {
		switch {
		case !slices.Contains(g.known, name):
			faults = append(faults, fmt.Errorf("protocols: unknown protocol %q%s; known are %s", name, cmp.Or(g.declared(name), suggest.DidYouMean(name, g.known)), strings.Join(g.sources, ", ")))
		case slices.Contains(g.Protocols[:i], name):
			faults = append(faults, fmt.Errorf("protocols: %s is there twice", name))
		}
	}
	return errors.Join(faults...)
}

// ReadIdentities reads what users are called elsewhere. The error has a line for each fault.
func (g General) ReadIdentities() (*domain.Identities, error) {
	return identities.Read(g.Identities, g.IdentitiesFile)
}

// precedence reads the list. The error has a line for each entry that cannot be, or has no effect.
func (g General) precedence() (list domain.Precedence, _ error) {
	var faults []error
	known := g.all()
	for _, text := range g.Precedence {
		entry, err := domain.ParsePreference(text)
		name := entry.Protocol.String()
		switch at := slices.IndexFunc(list, func(before domain.Preference) bool { return before.Includes(entry) }); {
		case err != nil:
			faults = append(faults, fmt.Errorf("precedence: %w", err))
		case !slices.Contains(known, name):
			faults = append(faults, fmt.Errorf("precedence: unknown protocol %q%s; known are %s", name, suggest.DidYouMean(name, known), strings.Join(known, ", ")))
		case at >= 0:
			faults = append(faults, fmt.Errorf("precedence: %s has no effect, for %s stands before it", entry, list[at]))
		}
		list = append(list, entry)
	}
	return list, errors.Join(faults...)
}
