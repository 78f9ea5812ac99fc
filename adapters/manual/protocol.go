// Package manual is the protocol of what people set themselves, such as "busy until three", in a page or with the command line. While
// it lasts it wins over all other protocols (domain.Unify); it ends at the time that came with it, or when it is taken away.
//
// Package wiring calls it.
package manual

import "github.com/zarafa/presence/domain"

// New returns the protocol: clients may update it, and a presence holds until it is changed or ends as its update said.
func New(Config) domain.Updatable { return domain.Updatable{Protocol: domain.Manual} }
