package app

import (
	"context"

	"github.com/zarafa/presence/ports"
)

var _ ports.Leases = Alone{}

// Alone implements ports.Leases for a daemon that shares its journal with no other: it holds every lease.
type Alone struct{}

// Hold implements ports.Leases.
func (Alone) Hold(ctx context.Context, _ string, work func(context.Context)) { work(ctx) }
