package v1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
	by, err := Authenticate(c, b.tokens)
	if err != nil {
		return err
	}
	if err := by.MayWatchAll(); err != nil {
		return err
	}
	return NoQuery(c)
}

// exportPart is about how many bytes of an export are rendered at once.
const exportPart = 64 << 10

// Export answers with all presences, a line each. They are rendered while they are sent.
func (b *Backups) Export(c *fiber.Ctx) error {
	if err := b.authenticate(c); err != nil {
		return err
	}
	ctx := c.Context()
	respond.Headers(&ctx.Response.Header)
	ctx.SetContentType(backup.ContentType)
	ctx.SetBodyStream(newExport(b.backup, ctx.Conn(), b.writeTimeout), -1)
	return nil
}

// export is the body of an export. fasthttp reads it in the goroutine that writes the answer, and closes it.
type export struct {
	next     func() ([]byte, error, bool)
	stop     func()
	deadline func() error
	part     []byte // what was not read yet
}

func newExport(kept ports.Backup, connection net.Conn, writeTimeout time.Duration) *export {
	e := &export{deadline: func() error { return connection.SetWriteDeadline(time.Now().Add(writeTimeout)) }}
	e.next, e.stop = iter.Pull2(parts(kept))
	return e
}

var errStopped = errors.New("the export was stopped")

// parts gives an export part by part. A part is valid until the next.
func parts(kept ports.Backup) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var part []byte
		err := kept.Export(func(user domain.UserID, p domain.Presence) (err error) {
			if part, err = backup.Append(part, user, &p); err != nil || len(part) < exportPart {
				return err
			}
			if !yield(part, nil) {
				return errStopped
			}
			part = part[:0]
			return nil
		})
		if !errors.Is(err, errStopped) {
			yield(part, err)
		}
	}
}

// Read implements io.Reader. An error makes fasthttp close the connection, so that what has come so far does not pass for all.
func (e *export) Read(p []byte) (int, error) {
	for len(e.part) == 0 {
		part, err, more := e.next()
		switch {
		case !more:
			return 0, io.EOF
		case err != nil:
			return 0, err
		}
		if err := e.deadline(); err != nil { // for this part
			return 0, err
		}
		e.part = part
	}
	n := copy(p, e.part)
	e.part = e.part[n:]
	return n, nil
}

// Close ends an export that was not read to its end.
func (e *export) Close() error {
	e.stop()
	return nil
}

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
