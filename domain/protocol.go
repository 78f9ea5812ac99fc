package domain

import (
	"cmp"
	"fmt"
	"unique"
)

// MaxProtocol is the longest protocol name, in bytes.
const MaxProtocol = 32

// Protocol is the short name of a presence system, e.g. xmpp or spreed: a lower-case letter, then lower-case letters, digits
// and hyphens. It is comparable. Make it with ParseProtocol; the zero value is no protocol.
//
// Each name is in memory once, so that a Protocol is no larger than a pointer: millions of presences have one.
type Protocol struct{ name unique.Handle[string] }

// ParseProtocol checks a name. A fault is an ErrInvalidProtocol.
func ParseProtocol(name string) (Protocol, error) {
	valid := name != "" && len(name) <= MaxProtocol && name[0] >= 'a' && name[0] <= 'z'
	for i := 0; valid && i < len(name); i++ {
		c := name[i]
		valid = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-'
	}
	if !valid {
		return Protocol{}, fmt.Errorf("%w %s: up to %d lower-case letters, digits and hyphens, a letter first", ErrInvalidProtocol, quote(name), MaxProtocol)
	}
	return Protocol{unique.Make(name)}, nil
}

// MustProtocol is ParseProtocol for a name in the program's text: it panics on a fault.
func MustProtocol(name string) Protocol {
	protocol, err := ParseProtocol(name)
	if err != nil {
		panic(err)
	}
	return protocol
}

// String returns the name, empty for the zero value.
func (p Protocol) String() string {
	if p == (Protocol{}) {
		return ""
	}
	return p.name.Value()
}

// Compare orders protocols by their names.
func (p Protocol) Compare(q Protocol) int {
	if p == q {
		return 0
	}
	return cmp.Compare(p.String(), q.String())
}

// ClientProtocol is a protocol whose presence clients set themselves, e.g. spreed. All other protocols are read-only for clients.
type ClientProtocol struct {
	Protocol Protocol
	Expiry   ExpiryPolicy
	Hides    bool // a presence on it can make its user invisible
}

// CheckInvisible refuses, with an ErrInvisible, to make a user invisible by a protocol that cannot do that, or for ever.
func (c ClientProtocol) CheckInvisible(until Timestamp) error {
	switch {
	case !c.Hides:
		return fmt.Errorf("%w by %s: only what is set by hand can do that", ErrInvisible, c.Protocol)
	case until.IsZero():
		return fmt.Errorf("%w without an end", ErrInvisible)
	}
	return nil
}

// CheckUntil refuses, with an ErrInvalidUntil, a last moment that has passed, or that is later than a presence of the protocol holds.
func (c ClientProtocol) CheckUntil(until, now Timestamp) error {
	latest := c.Expiry.Expires(now)
	switch {
	case until <= now:
		return fmt.Errorf("%w %s: it has passed", ErrInvalidUntil, until)
	case latest != 0 && until > latest:
		return fmt.Errorf("%w %s: a presence on %s holds for %v at most", ErrInvalidUntil, until, c.Protocol, c.Expiry.After)
	}
	return nil
}
