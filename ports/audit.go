package ports

import (
	"context"

	"github.com/zarafa/presence/domain"
)

// Audit takes note of who has changed which presence, and of who has tried to without being allowed to. It may be used concurrently.
type Audit interface {
	// On reports whether anybody wants to know. It costs nothing.
	On() bool

	// Note takes note of what one request has done. It does not block, and keeps nothing of its arguments.
	Note(entries []AuditEntry)
}

// AuditEntry is what somebody has done to one presence, or was not allowed to do.
type AuditEntry struct {
	Origin

	Action   Action
	Outcome  Outcome
	User     domain.UserID
	Protocol string
	Device   string           // empty: the user's devices are not told apart
	Status   string           // what was set; empty: a refused update named none that there is. Of a removal it means nothing
	Until    domain.Timestamp // when that ends; zero: it has no end
	Change   bool             // it was not only repeated
}

// Action is what was done.
type Action uint8

// The actions.
const (
	ActionSet    Action = iota // a presence was set, or repeated
	ActionRemove               // it was taken away
	ActionImport               // it was taken over from an export
)

// Outcome is what became of it.
type Outcome uint8

// The outcomes.
const (
	OutcomeDone    Outcome = iota
	OutcomeRefused         // it was not allowed, and not done
	OutcomeFailed          // it could not be written, or nobody knows whether it was
)

// Origin says where a request has come from, in the words of the adapter that took it.
type Origin struct {
	By      domain.Principal // whose request it is
	Address string           // of the client; empty: not known
	Request string           // the request's id, which the client was told
}

// OriginKey is the key under which a context has the Origin of a request.
type OriginKey struct{}

// OriginOf returns where the request has come from that a context is about.
func OriginOf(ctx context.Context) Origin {
	origin, _ := ctx.Value(OriginKey{}).(Origin)
	return origin
}

// WithOrigin returns a context that knows where its request has come from.
func WithOrigin(ctx context.Context, origin Origin) context.Context {
	return context.WithValue(ctx, OriginKey{}, origin)
}
