package wiring

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/zarafa/presence/daemon/config"
	"github.com/zarafa/presence/domain"
)

// Client is a client protocol that the configuration declares: an entry of the key clients.
type Client struct {
	Expire   Lifetime `koanf:"expire" help:"how long a presence holds after its last update; 0s: for ever"`
	OnExpiry string   `koanf:"on_expiry" help:"what is left then: unavailable, or remove (nothing)" choice:"unavailable,remove"`
}

// The values of Client.OnExpiry. Empty means the first.
const (
	onExpiryUnavailable = "unavailable"
	onExpiryRemove      = "remove"
)

// minExpire is the shortest time in which a client can repeat its report over a network.
const minExpire = time.Second

// Lifetime is a duration that must be set: what holds for ever is said to do so.
type Lifetime struct {
	set   bool
	after time.Duration
}

// UnmarshalText reads a duration.
func (l *Lifetime) UnmarshalText(text []byte) error {
	after, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("expected a duration such as 90s, 5m or 1h30m, got %q", text)
	}
	l.set, l.after = true, after
	return nil
}

// MarshalText writes the duration as the configuration does.
func (l Lifetime) MarshalText() ([]byte, error) {
	if !l.set {
		return nil, nil
	}
	return []byte(config.Duration(l.after)), nil
}

// protocol makes the protocol of an entry. The error has a line for each fault.
func (c Client) protocol(name string, taken []string) (domain.ClientProtocol, error) {
	var faults []error
	fault := func(key, format string, args ...any) {
		faults = append(faults, fmt.Errorf("clients.%s%s: %w", name, key, fmt.Errorf(format, args...)))
	}
	protocol, err := domain.ParseProtocol(name)
	switch {
	case err != nil:
		fault("", "%w", err)
	case slices.Contains(taken, name):
		fault("", "%s is a protocol of the daemon's own: choose another name", name)
	}
	switch after := c.Expire.after; {
	case !c.Expire.set:
		fault(".expire", "is missing: say how long a presence holds after its last update, e.g. 2h, or 0s for ever")
	case after < 0, after > 0 && after < minExpire:
		fault(".expire", "must be at least %v, or 0s for ever; it is %v", minExpire, after)
	}
	switch c.OnExpiry {
	case "", onExpiryUnavailable, onExpiryRemove:
	default:
		fault(".on_expiry", "must be %s or %s; it is %q", onExpiryUnavailable, onExpiryRemove, c.OnExpiry)
	}
	policy := domain.ExpiryPolicy{After: c.Expire.after, Vanishes: c.OnExpiry == onExpiryRemove}
	return domain.ClientProtocol{Protocol: protocol, Expiry: policy}, errors.Join(faults...)
}

// clients makes the protocols that are declared, in the order of their names. The error has a line for each fault.
func (g General) clients() (all []domain.ClientProtocol, _ error) {
	faults := make([]error, 0, len(g.Clients))
	for _, name := range slices.Sorted(maps.Keys(g.Clients)) {
		client, err := g.Clients[name].protocol(name, g.known)
		all, faults = append(all, client), append(faults, err)
	}
	return all, errors.Join(faults...)
}

// all lists the names of all protocols that there can be, those that are declared included.
func (g General) all() []string {
	return slices.Sorted(slices.Values(slices.Concat(g.known, slices.Collect(maps.Keys(g.Clients)))))
}

// declared says of a name in the key protocols that it need not be there.
func (g General) declared(name string) string {
	if _, is := g.Clients[name]; is {
		return " (clients declares " + name + ", which turns it on; protocols lists sources)"
	}
	return ""
}
