package app

import (
	"context"
	"errors"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// audited is whether somebody wants to know who has changed what.
func (c Core) audited() bool { return c.Audit != nil && c.Audit.On() }

// deeds is what one request does.
type deeds struct {
	origin ports.Origin
	all    []ports.Deed
}

// applyAudited is Core.apply for a request, of which it takes note: what became of it, or, if it was not allowed, which of the updates were not.
func (c Core) applyAudited(ctx context.Context, origin ports.Origin, updates []domain.Update, imported bool,
	plan func(writes []image.Write) ([]image.Write, error),
) error {
	d := deeds{origin: origin}
	err := c.apply(ctx, func(writes []image.Write) ([]image.Write, error) {
		writes, err := plan(writes)
		d.all = d.all[:0]
		for i := range writes {
			d.written(&writes[i], imported)
		}
		return writes, err
	})
	switch {
	case errors.Is(err, ports.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		for i := range d.all {
			d.all[i].Outcome = ports.Failed
		}
	case err != nil:
		d.all = d.all[:0] // surely nothing was done
		d.forbidden(err, updates)
	}
	if len(d.all) > 0 {
		c.Audit.Note(d.all)
	}
	return err
}

// written notes one write.
func (d *deeds) written(w *image.Write, imported bool) {
	deed := ports.Deed{
		Origin: d.origin, User: w.User, Protocol: w.New.Protocol.String(), Device: w.New.Device.String(),
		Status: w.New.Status, Until: w.New.Expires, Change: w.Old.Revision == 0 || w.Old.Differs(w.New),
	}
	switch {
	case imported:
		deed.Action = ports.Imported
	case w.New.Removed:
		deed.Action = ports.Remove
	}
	d.all = append(d.all, deed)
}

// forbidden notes the updates of users who may not be updated.
func (d *deeds) forbidden(err error, updates []domain.Update) {
	var problems domain.Problems
	if !errors.As(err, &problems) {
		return
	}
	for _, problem := range problems {
		if !errors.Is(problem.Err, domain.ErrForbidden) {
			continue
		}
		u := &updates[problem.Index]
		user, _ := domain.ParseUserID(u.User) // it could be read, or it would not be forbidden
		deed := ports.Deed{Origin: d.origin, Outcome: ports.Refused, User: user, Protocol: u.Protocol, Until: u.Until}
		if device, err := domain.ParseDeviceID(u.Device); err == nil {
			deed.Device = device.String()
		}
		if deed.Status, _ = domain.ParseStatus(u.Status); u.Remove { // of one that there is not nothing is said
			deed.Action = ports.Remove
		}
		d.all = append(d.all, deed)
	}
}
