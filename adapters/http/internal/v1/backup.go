package v1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/zarafa/presence/adapters/http/backup"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// Backups has the handlers of exports and imports. They may be called concurrently.
type Backups struct {
	ctx          context.Context //nolint:containedctx // of all imports, for fasthttp has none of its own
	backup       ports.Backup
	tokens       ports.Tokens
	writeTimeout time.Duration
}

// NewBackups makes the handlers. Imports end with ctx. A client may take so long to receive each part of an export.
func NewBackups(ctx context.Context, backup ports.Backup, tokens ports.Tokens, writeTimeout time.Duration) *Backups {
	return &Backups{ctx: ctx, backup: backup, tokens: tokens, writeTimeout: writeTimeout}
}

// authenticate lets services pass.
func (b *Backups) authenticate(c *fiber.Ctx) error {
	by, err := Admit(c, b.tokens)
	if err != nil {
		return err
	}
	return by.MayWatchAll()
}

// exportPart is how many bytes of an export are sent at once.
const exportPart = 64 << 10

// Export answers with all presences, a line each. They are rendered while they are sent.
func (b *Backups) Export(c *fiber.Ctx) error {
	if err := b.authenticate(c); err != nil {
		return err
	}
	ctx := c.Context()
	respond.Headers(&ctx.Response.Header)
	ctx.SetContentType(backup.ContentType)
	respond.Stream(ctx, b.parts(ctx.Conn()), -1, nil)
	return nil
}

// parts renders the export. The client gets the whole time-out for each part of it.
func (b *Backups) parts(connection net.Conn) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var part []byte
		err := b.backup.Export(b.ctx, func(user domain.UserID, p domain.Presence) (err error) {
			if part, err = backup.Append(part, user, &p); err != nil || len(part) < exportPart {
				return err
			}
			if !yield(part) {
				return errGone
			}
			part = part[:0]
			return connection.SetWriteDeadline(time.Now().Add(b.writeTimeout))
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
func (b *Backups) Import(c *fiber.Ctx) error {
	if err := b.authenticate(c); err != nil {
		return err
	}
	var presences []domain.Change
	refused := &problem.Error{Kind: problem.ErrInvalidLines, Detail: "nothing was imported, because of what is wrong with these lines"}
	err := backup.Lines(bytes.NewReader(c.Body()), func(l backup.Line) error {
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
	imported, err := b.backup.Import(b.ctx, presences)
	if err != nil {
		return err
	}
	respond.Headers(&c.Context().Response.Header)
	return c.JSON(fiber.Map{"imported": imported, "kept": len(presences) - imported}, string(respond.JSON))
}
