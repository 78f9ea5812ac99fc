package v1

import (
	"github.com/gofiber/fiber/v2"

	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
)

// turnTo finds who is on the page of everybody that was asked for.
func (a *API) turnTo(c *fiber.Ctx, by domain.Principal, b *buffers) error {
	if err := by.MayWatchAll(); err != nil {
		return err
	}
	var after domain.UserID
	if b.asked.after != "" {
		var err error
		if after, err = domain.ParseUserID(b.asked.after); err != nil {
			return problem.Locate(domain.Problems{{Err: err}}, func(domain.Problem) problem.Entry { return problem.Entry{Parameter: "after"} })
		}
	}
	b.revision = a.feed.Revision() // first, so that whoever follows the changes from it on misses nothing
	page, more, err := a.directory.Users(conn.Context(a.ctx, c.Context()), by, after, b.asked.limit, b.members[:0])
	if err != nil {
		return err
	}
	b.members, b.page, b.next = page, true, ""
	for _, user := range page {
		b.asked.Users = append(b.asked.Users, string(user))
	}
	if more {
		b.next = page[len(page)-1]
	}
	return nil
}
