package v1

import (
	"strconv"

	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
)

// InURL is where the faults of users and groups are that the URL names. The detail tells which of them it is about.
func InURL(p domain.Problem) problem.Entry {
	if p.Field == domain.FieldGroup {
		return problem.Entry{Parameter: "group"}
	}
	return problem.Entry{Parameter: "user"}
}

// InUsers is where the faults of users and groups are that the body lists.
func InUsers(p domain.Problem) problem.Entry {
	if p.Field == domain.FieldGroup {
		return problem.Entry{Pointer: problem.Pointer("groups", strconv.Itoa(p.Index))}
	}
	return problem.Entry{Pointer: problem.Pointer("users", strconv.Itoa(p.Index))}
}

// inSetting is where the faults of an update are: in its path, or in its body.
func inSetting(p domain.Problem, byTTL bool) problem.Entry {
	if byTTL && p.Field == domain.FieldUntil {
		return problem.Entry{Pointer: "#/ttl"}
	}
	return map[domain.Field]problem.Entry{
		domain.FieldUser:      {Parameter: "user"},
		domain.FieldProtocol:  {Parameter: "protocol"},
		domain.FieldStatus:    {Pointer: "#/status"},
		domain.FieldMessage:   {Pointer: "#/message"},
		domain.FieldDevice:    {Pointer: "#/device"},
		domain.FieldActivity:  {Pointer: "#/activity"},
		domain.FieldIdleSince: {Pointer: "#/idle_since"},
		domain.FieldUntil:     {Pointer: "#/until"},
		domain.FieldInvisible: {Pointer: "#/invisible"},
	}[p.Field]
}
