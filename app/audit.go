package app

import (
	"context"
	"errors"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// audited reports whether somebody wants to know who has changed what.
func (c Core) audited() bool { return c.Audit != nil && c.Audit.On() }

// auditEntries are those of one request.
type auditEntries struct {
	origin ports.Origin
	all    []ports.AuditEntry
}

// applyAudited is Core.apply for a request. It notes in the audit what became of each write, and which of the updates were not allowed.
func (c Core) applyAudited(ctx context.Context, origin ports.Origin, updates []domain.Update, imported bool,
	plan func(writes []image.Write) ([]image.Write, error),
) error {
	e := auditEntries{origin: origin}
	err := c.apply(ctx, func(writes []image.Write) ([]image.Write, error) {
		writes, err := plan(writes)
		e.all = e.all[:0]
		for i := range writes {
			e.written(&writes[i], imported)
		}
		return writes, err
	})
	switch {
	case errors.Is(err, ports.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		for i := range e.all {
			e.all[i].Outcome = ports.OutcomeFailed
		}
	case err != nil:
		e.all = e.all[:0] // nothing was done
		e.forbidden(err, updates)
	}
	if len(e.all) > 0 {
		c.Audit.Note(e.all)
	}
	return err
}

// written notes one write.
func (e *auditEntries) written(w *image.Write, imported bool) {
	entry := ports.AuditEntry{
		Origin: e.origin, User: w.User, Protocol: w.New.Protocol.String(), Device: w.New.Device.String(),
		Status: w.New.Status.String(), Until: w.New.Expires, Change: w.Old.Revision == 0 || w.Old.Differs(w.New),
	}
	switch {
	case imported:
		entry.Action = ports.ActionImport
	case w.New.Removed:
		entry.Action = ports.ActionRemove
	}
	e.all = append(e.all, entry)
}

// forbidden notes the updates that err says were not allowed.
func (e *auditEntries) forbidden(err error, updates []domain.Update) {
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
		entry := ports.AuditEntry{Origin: e.origin, Outcome: ports.OutcomeRefused, User: user, Protocol: u.Protocol, Until: u.Until}
		if device, err := domain.ParseDeviceID(u.Device); err == nil {
			entry.Device = device.String()
		}
		if status, err := domain.ParseStatus(u.Status); err == nil || u.Remove {
			entry.Status = status.String()
		}
		if u.Remove {
			entry.Action = ports.ActionRemove
		}
		e.all = append(e.all, entry)
	}
}
