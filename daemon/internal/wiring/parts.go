package wiring

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.uber.org/fx"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// parts are the protocols that are on.
type parts struct {
	fx.Out

	Sources  []ports.Source
	ReadOnly []domain.Protocol // those of the sources
	Clients  []domain.ClientProtocol
	Made     made
}

// made is what was made of the protocols that are on, by their names.
type made struct {
	sources map[string]ports.Source
	clients map[string]domain.ClientProtocol
}

// newParts makes the protocols that are on.
func newParts(s *Settings, all []constructor) (parts, error) {
	return remakeParts(s, all, made{}, nil)
}

// remakeParts makes the protocols that are on. It takes over the sources that were made before, but for those whose sections have changed.
func remakeParts(s *Settings, all []constructor, before made, changed []string) (parts, error) {
	p := parts{Made: made{sources: map[string]ports.Source{}, clients: map[string]domain.ClientProtocol{}}}
	slices.SortFunc(all, func(a, b constructor) int { return cmp.Compare(a.name, b.name) }) // fx gives them in any order
	enabled := s.Enabled()
	for _, c := range all {
		if !slices.Contains(enabled, c.name) {
			continue
		}
		source := before.sources[c.name]
		if slices.Contains(changed, c.name) {
			source = nil
		}
		if err := p.add(c, source, s.configOf(c.name)); err != nil {
			return p, err
		}
	}
	return p, nil
}

// add adds a protocol: the source, if there is one already, or what the constructor makes.
func (p *parts) add(c constructor, source ports.Source, config any) (err error) {
	var named domain.Protocol
	if c.client != nil {
		client, err := c.client(config)
		if err != nil {
			return err
		}
		named = client.Protocol
		p.Clients, p.Made.clients[c.name] = append(p.Clients, client), client
	} else {
		if source == nil {
			if source, err = c.source(config); err != nil {
				return err
			}
		}
		named = source.Describe().Protocol
		p.Sources, p.ReadOnly, p.Made.sources[c.name] = append(p.Sources, source), append(p.ReadOnly, named), source
	}
	if named.String() != c.name {
		return fmt.Errorf("protocol %s: it calls itself %s", c.name, named)
	}
	return nil
}

// offAfter is how long it takes until what clients have said on a protocol ends that was switched off.
const offAfter = time.Minute

// missing returns the protocols that were made, and are not there now, with what ends what they have said.
func (m made) missing(now made) (off map[string]domain.Source) {
	off = map[string]domain.Source{}
	for name, source := range m.sources {
		if now.sources[name] == nil {
			off[name] = source.Describe()
		}
	}
	for name, client := range m.clients {
		if _, on := now.clients[name]; !on {
			about := domain.Source{Protocol: client.Protocol, StaleAfter: offAfter}
			if client.Expiry.Vanishes {
				about.Absent = domain.AbsentNothing
			}
			off[name] = about
		}
	}
	return off
}
