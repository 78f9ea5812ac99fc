package http

import (
	"strconv"

	"github.com/zarafa/presence/adapters/http/internal/document"
	"github.com/zarafa/presence/adapters/http/internal/jsonscan"
	"github.com/zarafa/presence/domain"
)

// inPath is where the faults of GET /v1/users/{user} are.
func inPath(domain.Problem) problemEntry { return problemEntry{Parameter: "user"} }

// inQuery is where the faults of GET /v1/users are. The detail tells which of the users it is about.
func inQuery(domain.Problem) problemEntry { return problemEntry{Parameter: "user"} }

// inUsers is where the faults of a list in the body are.
func inUsers(p domain.Problem) problemEntry {
	return problemEntry{Pointer: jsonscan.Pointer("users", strconv.Itoa(p.Index))}
}

// inSetting is where the faults of an update are: in its path, or in its body, if it has one.
func inSetting(p domain.Problem, setting *document.Setting) problemEntry {
	switch p.Field {
	case domain.FieldProtocol:
		return problemEntry{Parameter: "protocol"}
	case domain.FieldStatus:
		return problemEntry{Pointer: "#/status"}
	case domain.FieldMessage:
		return problemEntry{Pointer: "#/message"}
	case domain.FieldUntil:
		if setting != nil && setting.ByTTL {
			return problemEntry{Pointer: "#/ttl"}
		}
		return problemEntry{Pointer: "#/until"}
	case domain.FieldUser:
	}
	return problemEntry{Parameter: "user"}
}
