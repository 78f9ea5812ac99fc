package http

import (
	v1 "github.com/zarafa/presence/adapters/http/internal/v1"
	"github.com/zarafa/presence/domain"
)

// AppendUser appends the document of one user as API v1 has it, with the given id as its name, for others who tell what users are.
func AppendUser(dst []byte, id string, state *domain.State) []byte {
	return v1.AppendUser(dst, id, state)
}
