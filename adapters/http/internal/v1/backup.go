package v1

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"net"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/zarafa/presence/adapters/http/backup"
	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// admitService lets services pass, which alone may see and replace everything.
func (a *API) admitService(c *fiber.Ctx) (domain.Principal, error) {
	by, err := Admit(c, a.tokens)
	if err == nil {
		err = by.MayWatchAll()
	}
	return by, err
}

// exportPart is how many bytes of an export are sent at once.
const exportPart = 64 << 10

// Export answers with all presences that the service sees, a line each. They are rendered while they are sent.
func (a *API) Export(c *fiber.Ctx) error {
	by, err := a.admitService(c)
	if err != nil {
		return err
	}
	ctx := c.Context()
	respond.Headers(&ctx.Response.Header)
	ctx.SetContentType(backup.ContentType)
	respond.Stream(ctx, a.parts(by, ctx.Conn()), -1, nil)
	return nil
}

// parts renders the export. The client gets the whole time-out for each part of it.
func (a *API) parts(by domain.Principal, connection net.Conn) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var part []byte
		err := a.backup.Export(a.ctx, by, func(user domain.UserID, p domain.Presence) (err error) {
			if part, err = backup.Append(part, user, &p); err != nil || len(part) < exportPart {
				return err
			}
			if !yield(part) {
				return errGone
			}
			part = part[:0]
			return connection.SetWriteDeadline(time.Now().Add(time.Duration(a.writeTimeout.Load())))
		})
		switch {
		case err == nil:
			yield(part)
		case !errors.Is(err, errGone):
			_ = connection.Close() // so that what has come so far does not pass for all
		}
	}
}

var errGone = errors.New("the client takes no more")

// maxLineFaults is how many lines are named that are wrong.
const maxLineFaults = 20

// Import takes over the presences of the body, a line each, all or none.
func (a *API) Import(c *fiber.Ctx) error {
	by, err := a.admitService(c)
	if err != nil {
		return err
	}
	var text body.Body
	defer text.Release()
	if err := a.bodies.Read(c.Context(), &text); err != nil {
		return err
	}
	var presences []domain.Change
	refused := &problem.Error{Kind: problem.ErrInvalidLines, Detail: "nothing was imported, because of what is wrong with these lines"}
	err = backup.Lines(bytes.NewReader(text.Text), func(l backup.Line) error {
		if l.Err == nil {
			presences = append(presences, l.Change)
		} else if len(refused.Entries) < maxLineFaults {
			refused.Entries = append(refused.Entries, problem.Entry{
				Pointer: problem.Pointer(strconv.Itoa(l.Number - 1)), Detail: fmt.Sprintf("line %d: %v", l.Number, l.Err),
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(refused.Entries) > 0 {
		return refused
	}
	origin := conn.OriginOf(c.Context())
	origin.By = by
	imported, err := a.backup.Import(ports.WithOrigin(a.ctx, origin), by, presences)
	if err != nil {
		return err
	}
	respond.Headers(&c.Context().Response.Header)
	return c.JSON(fiber.Map{"imported": imported, "kept": len(presences) - imported}, string(respond.JSON))
}
