package v1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/backup"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// typeLines is the content type of an export: JSON texts, one a line.
const typeLines = "application/jsonl"

// Export answers with everything that is kept, for services. It is made while it is sent.
func (a *API) Export(c *fiber.Ctx) error {
	if err := a.service(c); err != nil {
		return err
	}
	respond.Headers(&c.Context().Response.Header)
	c.Set(fiber.HeaderContentType, typeLines)
	c.Context().SetBodyStream(&export{kept: a.backup, users: a.backup.Users()}, -1)
	return nil
}

// service returns nil if a request comes from a service and its URL has no query.
func (a *API) service(c *fiber.Ctx) error {
	by, err := Authenticate(c, a.tokens)
	if err != nil {
		return err
	}
	if err := by.MayBackUp(); err != nil {
		return err
	}
	return NoQuery(c)
}

// export is an export that is read piece by piece.
type export struct {
	kept  ports.Backup
	users []domain.UserID // that are still to come
	piece []byte
	read  int // of piece
}

// Read implements io.Reader.
func (e *export) Read(p []byte) (int, error) {
	for e.read == len(e.piece) {
		if len(e.users) == 0 {
			return 0, io.EOF
		}
		e.piece, e.read = e.piece[:0], 0
		for len(e.users) > 0 && len(e.piece) < pieceSize {
			user := e.users[0]
			e.users = e.users[1:]
			presences := e.kept.Presences(user)
			for i := range presences {
				e.piece = backup.Append(e.piece, user, &presences[i])
			}
		}
	}
	n := copy(p, e.piece[e.read:])
	e.read += n
	return n, nil
}

// maxFaults is how many wrong lines are named.
const maxFaults = 20

// Import takes over the presences in the body, for services: all that are newer than what is kept, or none. A body has room for some thousands; a
// client sends a longer export in parts.
func (a *API) Import(c *fiber.Ctx) error {
	if err := a.service(c); err != nil {
		return err
	}
	var presences []domain.Change
	var faults []string
	err := backup.Each(bytes.NewReader(c.Body()), func(l backup.Line) error {
		user, p, err := l.Parse()
		if err != nil {
			faults = append(faults, fmt.Sprintf("line %d: %v", l.Number, err))
		}
		if len(faults) > maxFaults {
			return errFaults
		}
		presences = append(presences, domain.Change{User: user, Presence: p})
		return nil
	})
	switch {
	case errors.Is(err, errFaults):
		faults[maxFaults] = "and more"
		fallthrough
	case len(faults) > 0:
		return problem.Malformed("nothing was imported: %s", strings.Join(faults, "; "))
	case err != nil:
		return err
	}
	taken, err := a.backup.Import(a.ctx, presences)
	if err != nil {
		return err
	}
	respond.Headers(&c.Context().Response.Header)
	c.Context().SetContentTypeBytes(respond.JSON)
	return c.SendString(fmt.Sprintf(`{"imported":%d,"kept":%d}`, taken, len(presences)-taken))
}

var errFaults = errors.New("too many wrong lines")
