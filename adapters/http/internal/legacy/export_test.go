package legacy

import (
	"bytes"

	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
)

// MaxPiece is about how long a piece of an answer is, in bytes.
const MaxPiece = respond.MaxPiece

// Pieces makes the answer about users that were found.
func Pieces(users []string, found []domain.Presences) (pieces [][]byte) {
	b := buffers{request: Request{Users: users}, found: found}
	for piece := range b.pieces {
		pieces = append(pieces, bytes.Clone(piece))
	}
	return pieces
}

// MaxRecent is how much memory recent answers and their lists may take, in bytes.
const MaxRecent = recentLists * (maxList + respond.MaxPiece)

// Forgetful returns the same handlers, which keep no answers.
func (a *API) Forgetful() *API {
	forgetful := *a
	forgetful.recent = nil
	return &forgetful
}

// Recent returns how many answers are kept, how much memory they and their lists take, and how many lists are noted.
func (a *API) Recent() (answers, size, noted int) {
	for i := range a.recent.slots {
		slot := &a.recent.slots[i]
		if slot.asked.Load() != 0 {
			noted++
		}
		if kept := slot.kept.Load(); kept != nil {
			answers++
			size += cap(kept.list) + cap(kept.body)
		}
	}
	return answers, size, noted
}

// Last returns the answer that is kept to a list, nil if there is none or something has happened.
func (a *API) Last(text []byte) []byte {
	body, _ := a.recent.answer(text)
	return body
}
