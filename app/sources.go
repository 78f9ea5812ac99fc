package app

import "github.com/zarafa/presence/ports"

var _ ports.Sources = Sources{}

// Sources implements ports.Sources, with what the supervisor and the identities know.
type Sources struct {
	*Supervisor
	*Identities
}

// NewSources makes the use case.
func NewSources(supervisor *Supervisor, identities *Identities) Sources {
	return Sources{supervisor, identities}
}
