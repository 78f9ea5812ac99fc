package wiring

import (
	"errors"
	"maps"
	"slices"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/adapters/oidc"
	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/ports"
)

// Settings is the daemon's whole configuration.
type Settings struct {
	General General
	HTTP    http.Config
	Auth    auth.Config
	OIDC    oidc.Config
	Store   Store
	Health  Health
	Log     Log

	Version string // of the program, which metrics tell

	*config.Loaded
	protocols []section // all that are known, whether on or not
}

// Sections are those of a daemon that knows some protocols, with their defaults.
func Sections(protocols []Protocol) []config.Section { return newSettings(protocols).sections() }

// newSettings are the defaults of a daemon that knows some protocols.
func newSettings(protocols []Protocol) *Settings {
	s := &Settings{HTTP: http.DefaultConfig(), Auth: auth.DefaultConfig(), OIDC: oidc.DefaultConfig(), Store: DefaultStore(), Health: DefaultHealth(), Log: DefaultLog()}
	s.General.Precedence = []string{ByHand.String()}
	for _, p := range protocols {
		made := p.make()
		s.protocols = append(s.protocols, made)
		s.General.known = append(s.General.known, p.name)
		if _, bySection := made.config.(switched); !bySection {
			s.General.sources = append(s.General.sources, p.name)
		}
	}
	return s
}

// sections lists the parts of the configuration in the order in which they are shown.
func (s *Settings) sections() []config.Section {
	sections := []config.Section{
		{Name: "http", Config: &s.HTTP},
		{Name: "auth", Config: &s.Auth},
		{Name: "oidc", Config: &s.OIDC},
		{Name: "store", Config: &s.Store},
		{Name: "health", Config: &s.Health},
		{Config: &s.General},
	}
	for _, p := range s.protocols {
		sections = append(sections, config.Section{Name: p.name, Config: p.config})
	}
	return append(sections, config.Section{Name: "log", Config: &s.Log})
}

// Load reads the configuration of a daemon that knows some protocols. The error has a line for each thing that is wrong. If there is none, what
// the values mean is not checked yet: call Validate.
func Load(in config.Input, protocols []Protocol) (*Settings, error) {
	s := newSettings(protocols)
	var err error
	if s.Loaded, err = config.Load(in, s.sections()...); err != nil && s.Loaded != nil {
		s.HTTP.NameUsersBy(s.Auth.ProxyHeader)
		err = errors.Join(err, s.Validate()) // all at once
	}
	s.HTTP.NameUsersBy(s.Auth.ProxyHeader)
	return s, err
}

// Validate checks the values of some sections, or, if none is named, of all that are in use. The error has a line for each fault.
func (s *Settings) Validate(sections ...string) error {
	return s.Loaded.Validate(func(section string) bool {
		return slices.Contains(sections, section) || len(sections) == 0 && s.inUse(section)
	})
}

// inUse reports whether a section has an effect. If it is not clear which protocols are meant to be on, those are that something is said of.
func (s *Settings) inUse(section string) bool {
	if !slices.Contains(s.General.known, section) || slices.Contains(s.Enabled(), section) {
		return true
	}
	unclear := s.Faulty("protocols") || s.General.validateList() != nil
	return unclear && slices.Contains(s.General.sources, section) && s.Sets(section)
}

// configOf returns the pointer to a protocol's Config.
func (s *Settings) configOf(name string) any {
	i := slices.IndexFunc(s.protocols, func(p section) bool { return p.name == name })
	return s.protocols[i].config
}

// Enabled lists the protocols that are on, at the end those that the key clients declares.
func (s *Settings) Enabled() (names []string) {
	for _, p := range s.protocols {
		config, bySection := p.config.(switched)
		if bySection && config.On() || !bySection && slices.Contains(s.General.Protocols, p.name) {
			names = append(names, p.name)
		}
	}
	return append(names, slices.Sorted(maps.Keys(s.General.Clients))...)
}

// Warnings says what the administrator should know about the configuration, one line each, valid or not.
func (s *Settings) Warnings() []string {
	warnings := s.Loaded.Warnings(s.inUse)
	for _, key := range s.Auth.Keys {
		for _, name := range key.Protocols {
			if !slices.Contains(s.General.all(), name) || slices.Contains(s.General.sources, name) {
				warnings = append(warnings, "auth.keys: "+key.Name+" lists "+name+", which is no protocol that clients set (clients declares them)")
			}
		}
	}
	return slices.Concat(warnings, s.visibilityWarnings(), s.groupWarnings())
}

// Tokens makes tokens as the daemon with this configuration does.
func (s *Settings) Tokens() (ports.Tokens, error) { return auth.New(s.Auth, clock.New()) }
