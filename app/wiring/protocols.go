package wiring

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/fx"

	"github.com/zarafa/presence/adapters/manual"
	"github.com/zarafa/presence/adapters/spreed"
	"github.com/zarafa/presence/adapters/xmpp"
	"github.com/zarafa/presence/app/config"
)

// protocols is every protocol that this daemon knows: its name, which is its section's too, its defaults, and what provides it.
var protocols = []protocol{
	newProtocol("manual", manual.DefaultConfig, manual.Module),
	newProtocol("spreed", spreed.DefaultConfig, spreed.Module),
	newProtocol("xmpp", xmpp.DefaultConfig, xmpp.Module),
}

type protocol struct {
	name string
	make func() enabledProtocol
}

// enabledProtocol is a protocol with a configuration of its own.
type enabledProtocol struct {
	name    string
	config  any              // a pointer to the adapter's Config
	options func() fx.Option // to be called when config has been read
}

func newProtocol[C any](name string, defaults func() C, module fx.Option) protocol {
	return protocol{name: name, make: func() enabledProtocol {
		cfg := defaults()
		return enabledProtocol{name: name, config: &cfg, options: func() fx.Option { return fx.Options(fx.Supply(cfg), module) }}
	}}
}

func protocolNames() []string {
	names := make([]string, len(protocols))
	for i, p := range protocols {
		names[i] = p.name
	}
	return names
}

// General holds the keys at the top level of the configuration.
type General struct {
	Protocols []string `koanf:"protocols" help:"the protocols that are on"`
}

// Validate refuses a protocol that is not known or named twice, and a daemon without any.
func (g General) Validate() error {
	known := protocolNames()
	if len(g.Protocols) == 0 {
		return fmt.Errorf("protocols: at least one is needed; known are %s", strings.Join(known, ", "))
	}
	var faults []error
	for i, name := range g.Protocols {
		switch {
		case !slices.Contains(known, name):
			faults = append(faults, fmt.Errorf("protocols: unknown protocol %q%s; known are %s", name, config.DidYouMean(name, known), strings.Join(known, ", ")))
		case slices.Contains(g.Protocols[:i], name):
			faults = append(faults, fmt.Errorf("protocols: %s is there twice", name))
		}
	}
	return errors.Join(faults...)
}
