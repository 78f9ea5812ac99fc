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
	path := map[domain.Field][]string{
		domain.FieldProtocol: {r.Updates[p.Index].Protocol},
		domain.FieldStatus:   {r.Updates[p.Index].Protocol, keyStatus},
		domain.FieldMessage:  {r.Updates[p.Index].Protocol, keyText},
		domain.FieldDevice:   {r.Updates[p.Index].Protocol, keyDevice},
	}[p.Field]
	if path == nil {
		path = []string{keyUser}
	}
	return problem.Entry{Pointer: Pointer(r.Entry(p.Index), path...)}
}
