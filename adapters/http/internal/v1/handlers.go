// Package v1 is API v1: the handlers, what they read, and the documents that they write. The event stream writes the same document of a user.
//
// The handlers are Fiber's. GET of users is a measured hot path: from answer.go on down it works on fasthttp's response, and user.go writes
// JSON by itself.
package v1

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/minio/highwayhash"

	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// API has the handlers. They may be called concurrently.
type API struct {
	ctx          context.Context //nolint:containedctx // of all updates and imports, for fasthttp has none of its own
	bodies       *body.Reader
	maxAnswer    atomic.Int64 // bytes
	presence     ports.Presence
	feed         ports.Feed
	directory    ports.Directory
	sources      ports.Sources
	backup       ports.Backup
	tokens       ports.Tokens
	writeTimeout atomic.Int64 // a time.Duration
	provider     atomic.Pointer[func() (Provider, bool)]
	entries      atomic.Pointer[[]statusEntry]
}

// New makes the handlers, to be configured before they are used. Updates and imports end with ctx.
func New(ctx context.Context, bodies *body.Reader, presence ports.Presence, feed ports.Feed, directory ports.Directory, sources ports.Sources,
	backup ports.Backup, tokens ports.Tokens,
) *API {
	a := &API{ctx: ctx, bodies: bodies, presence: presence, feed: feed, directory: directory, sources: sources, backup: backup, tokens: tokens}
	a.Offer(nil)
	a.SignInBy(func() (Provider, bool) { return Provider{}, false })
	return a
}

// Configure says how many bytes an answer about users may have, and how long a client may take to receive each part of an export.
func (a *API) Configure(maxAnswer int64, writeTimeout time.Duration) {
	a.maxAnswer.Store(maxAnswer)
	a.writeTimeout.Store(int64(writeTimeout))
}

// GetUser answers with one user, and says why it is so if the URL has explain=1, and why a viewer sees so much of it if the URL names one.
func (a *API) GetUser(c *fiber.Ctx) error {
	by, err := Authenticate(c, a.tokens)
	if err != nil {
		return err
	}
	var why question
	if query := c.Context().URI().QueryString(); len(query) > 0 {
		if why, err = a.readQuestion(by, string(query)); err != nil {
			return err
		}
	}
	user, err := parameter(c, "user")
	if err != nil {
		return err
	}
	b := pool.Get().(*buffers)
	b.asked.Users = append(b.asked.Users[:0], user)
	if err = by.MayRead(b.asked.Users); err == nil {
		b.states, _, err = a.feed.States(by, b.asked.Users, b.states[:0])
	}
	if err != nil {
		b.Release()
		return problem.Locate(err, InURL)
	}
	b.body = AppendUser(b.body[:0], user, &b.states[0])
	if why.explain {
		b.body = appendExplanation(b.body, &b.states[0])
	}
	if why.viewer != "" {
		b.body = appendVisibility(b.body, why.viewer, a.feed.Decide(a.tokens.Principal(why.viewer), b.states[0].User), b.states[0].Invisible)
	}
	send(c.Context(), b, len(b.body), highwayhash.Sum64(b.body, tagKey[:]))
	return nil
}

// GetUsers answers with the users that the URL names, or with a page of everybody.
func (a *API) GetUsers(c *fiber.Ctx) error {
	by, err := Authenticate(c, a.tokens)
	if err != nil {
		return err
	}
	b := pool.Get().(*buffers)
	err = b.asked.readList(string(c.Context().URI().QueryString()))
	if err == nil && b.asked.limit > 0 {
		err = a.turnTo(c, by, b)
	}
	return a.answer(c, by, b, err, InURL)
}

// QueryUsers answers with the users that the body names.
func (a *API) QueryUsers(c *fiber.Ctx) error {
	by, err := Admit(c, a.tokens)
	if err != nil {
		return err
	}
	b := pool.Get().(*buffers)
	err = a.bodies.Read(c.Context(), &b.text)
	if err == nil {
		err = b.asked.ReadBody(b.text.Text)
	}
	if err == nil && !b.asked.Named {
		err = problem.InBody(problem.ErrMalformed, "#/users", "is missing, and so is #/groups")
	}
	return a.answer(c, by, b, err, InUsers)
}

// answer answers with the users that were asked for, unless there was an error. It sees to the release of the buffers.
func (a *API) answer(c *fiber.Ctx, by domain.Principal, b *buffers, err error, place func(domain.Problem) problem.Entry) error {
	if err == nil {
		err = by.MayRead(b.asked.Users)
	}
	if err == nil {
		err = b.addMembers(a.directory, by)
	}
	if err == nil {
		err = a.find(by, b)
	}
	if err != nil {
		b.Release()
		return problem.Locate(err, place)
	}
	return a.sendUsers(c.Context(), b)
}

// PutPresence sets a presence. It serves POST, too.
func (a *API) PutPresence(c *fiber.Ctx) error {
	by, user, protocol, err := a.admitUpdate(c)
	if err != nil {
		return err
	}
	var text body.Body
	defer text.Release()
	if err := a.bodies.Read(c.Context(), &text); err != nil {
		return err
	}
	update, byTTL, err := readSetting(text.Text, domain.TimestampOf(time.Now()))
	if err != nil {
		return err
	}
	update.User, update.Protocol = user, protocol
	return a.update(c, by, update, byTTL)
}

// DeletePresence takes a presence away.
func (a *API) DeletePresence(c *fiber.Ctx) error {
	by, user, protocol, err := a.admitUpdate(c)
	if err != nil {
		return err
	}
	return a.update(c, by, domain.Update{User: user, Protocol: protocol, Remove: true}, false)
}

// admitUpdate reads what an update has in its header and its URL. What it returns is kept, so it is copied out of the request.
func (a *API) admitUpdate(c *fiber.Ctx) (by domain.Principal, user, protocol string, err error) {
	if by, err = identify(c, a.tokens); err == nil {
		err = noQuery(c)
	}
	if err != nil {
		return by, "", "", err
	}
	if user, err = parameter(c, "user"); err != nil {
		return by, "", "", err
	}
	protocol, err = parameter(c, "protocol")
	return by, strings.Clone(user), strings.Clone(protocol), err
}

// update carries out an update.
func (a *API) update(c *fiber.Ctx, by domain.Principal, update domain.Update, byTTL bool) error {
	err := a.presence.Update(conn.Context(a.ctx, c.Context()), by, []domain.Update{update})
	if err != nil {
		return problem.Locate(err, func(p domain.Problem) problem.Entry { return inSetting(p, byTTL) })
	}
	respond.Headers(&c.Context().Response.Header)
	c.Status(fiber.StatusNoContent)
	return nil
}

// GetSources answers with how the sources are doing. Why they are not doing well can name hosts and accounts, so only services are told.
func (a *API) GetSources(c *fiber.Ctx) error {
	by, err := Admit(c, a.tokens)
	if err != nil {
		return err
	}
	statuses := a.sources.Statuses()
	if !by.Service {
		for i := range statuses {
			statuses[i].Error = ""
		}
	}
	respond.Headers(&c.Context().Response.Header)
	return c.JSON(sourcesDocument(statuses, a.sources.KnownUntil()), string(respond.JSON))
}

// GetUnmapped answers with the names that sources have met and that are nobody's.
func (a *API) GetUnmapped(c *fiber.Ctx) error {
	if _, err := a.admitService(c); err != nil {
		return err
	}
	names, others := a.sources.Unmapped()
	respond.Headers(&c.Context().Response.Header)
	return c.JSON(unmappedDocument(names, others), string(respond.JSON))
}

// PostToken answers with a token for a code, which is where other requests have their token. So there is no body to read for whoever has no code.
func (a *API) PostToken(c *fiber.Ctx) error {
	if len(c.Context().URI().QueryString()) > 0 {
		return problem.Malformed("the URL takes no query")
	}
	code, shown := BearerToken(c)
	if !shown {
		return errNoToken
	}
	token, err := asSentOrDecoded(code, a.tokens.Exchange)
	if err != nil {
		return err
	}
	by, err := a.tokens.Verify(token)
	if err == nil {
		err = conn.Admit(c.Context(), by)
	}
	if err != nil {
		return err
	}
	respond.Headers(&c.Context().Response.Header)
	return c.JSON(tokenDocument{token}, string(respond.JSON))
}

type tokenDocument struct {
	Token string `json:"token"`
}

// Admit is Authenticate for what takes no query in the URL.
func Admit(c *fiber.Ctx, tokens ports.Tokens) (domain.Principal, error) {
	by, err := Authenticate(c, tokens)
	if err == nil {
		err = noQuery(c)
	}
	return by, err
}

func noQuery(c *fiber.Ctx) error {
	if len(c.Context().URI().QueryString()) > 0 {
		return problem.Malformed("the URL takes no query")
	}
	return nil
}

// parameter returns a percent-decoded part of the path. It may be a part of the request.
func parameter(c *fiber.Ctx, name string) (string, error) {
	text, err := unescape(c.Params(name))
	if err != nil {
		return "", problem.InParameter(problem.ErrMalformed, name, err.Error())
	}
	return text, nil
}
