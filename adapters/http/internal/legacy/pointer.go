package legacy

import (
	"slices"
	"strconv"

	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
)

// Pointer returns a JSON pointer, as a URI fragment, to an entry or to what the given path leads to within it.
func Pointer(entry int, path ...string) string {
	return problem.Pointer(slices.Concat([]string{keyUsers, strconv.Itoa(entry)}, path)...)
}

// placeOfUser is where the faults of ids are that were only asked about.
func placeOfUser(p domain.Problem) problem.Entry {
	return problem.Entry{Pointer: Pointer(p.Index, keyUser)}
}

// place is where the fault of an update is.
func (r *Request) place(p domain.Problem) problem.Entry {
	entry, protocol := r.Entry(p.Index), r.Updates[p.Index].Protocol
	switch p.Field {
	case domain.FieldProtocol:
		return problem.Entry{Pointer: Pointer(entry, protocol)}
	case domain.FieldStatus:
		return problem.Entry{Pointer: Pointer(entry, protocol, keyStatus)}
	case domain.FieldMessage:
		return problem.Entry{Pointer: Pointer(entry, protocol, keyText)}
	case domain.FieldDevice:
		return problem.Entry{Pointer: Pointer(entry, protocol, keyDevice)}
	case domain.FieldUser, domain.FieldUntil:
	}
	return problem.Entry{Pointer: Pointer(entry, keyUser)}
}
