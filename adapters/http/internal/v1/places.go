package v1

import (
	"strconv"

	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
)

// InURL is where the faults of users are that the URL names. The detail tells which of them it is about.
func InURL(domain.Problem) problem.Entry { return problem.Entry{Parameter: "user"} }

// InUsers is where the faults of users are that the body lists.
func InUsers(p domain.Problem) problem.Entry {
	return problem.Entry{Pointer: problem.Pointer("users", strconv.Itoa(p.Index))}
}

// inSetting is where the faults of an update are: in its path, or in its body.
func inSetting(p domain.Problem, byTTL bool) problem.Entry {
	switch p.Field {
	case domain.FieldProtocol:
		return problem.Entry{Parameter: "protocol"}
	case domain.FieldStatus:
		return problem.Entry{Pointer: "#/status"}
	case domain.FieldMessage:
		return problem.Entry{Pointer: "#/message"}
	case domain.FieldDevice:
		return problem.Entry{Pointer: "#/device"}
	case domain.FieldUntil:
		if byTTL {
			return problem.Entry{Pointer: "#/ttl"}
		}
		return problem.Entry{Pointer: "#/until"}
	case domain.FieldUser:
	}
	return problem.Entry{Parameter: "user"}
}
