// Package manual is the protocol of what people set themselves, such as "busy until three", in a page or with the command line. It usually
// comes first in the precedence list; it ends at the time that came with it, or when it is taken away.
//
// The daemon calls it.
package manual

import "github.com/zarafa/presence/domain"

// Protocol is the name of the protocol in the API and in the configuration.
var Protocol = domain.MustProtocol("manual")

// New returns the protocol: clients may update it, and a presence holds until it is changed or ends as its update said. Then nothing is
// left of it: it says nothing any more about whether that person can be reached.
func New(Config) (domain.ClientProtocol, error) {
	return domain.ClientProtocol{Protocol: Protocol, Expiry: domain.ExpiryPolicy{Vanishes: true}, Hides: true}, nil
}
