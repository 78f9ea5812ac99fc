package domain

import "fmt"

// MaxProtocol is the longest protocol name, in bytes.
const MaxProtocol = 32

// Protocol is the short name of a presence system, e.g. xmpp or spreed: a lower-case letter, then lower-case letters, digits
// and hyphens.
type Protocol string

// ParseProtocol checks a name. A fault is an ErrInvalidProtocol.
func ParseProtocol(name string) (Protocol, error) {
	valid := name != "" && len(name) <= MaxProtocol && name[0] >= 'a' && name[0] <= 'z'
	for i := 0; valid && i < len(name); i++ {
		c := name[i]
		valid = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-'
	}
	if !valid {
		return "", fmt.Errorf("%w %s: up to %d lower-case letters, digits and hyphens, a letter first", ErrInvalidProtocol, quote(name), MaxProtocol)
	}
	return Protocol(name), nil
}

// Updatable describes a protocol whose presence clients set themselves, e.g. spreed. All other protocols are read-only for
// clients.
type Updatable struct {
	Protocol Protocol
	Expiry   ExpiryPolicy
}
