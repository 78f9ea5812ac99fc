// Package legacy is the original HTTP API: one path, whose GET asks who is available, whose PUT sets it, and whose POST does both. The
// request has the same shape for all methods,
//
//	{"AuthenticationToken": "...", "Type": "UserStatus",
//	 "UserStatus": [{"user_id": "markd@zarafa.com", "spreed": {"status": "available", "message": "feeling chatty.."}}]}
//
// and so has the answer, without the token. docs/http.md describes it for clients.
//
// It is a measured hot path, so it goes below Fiber: Fiber routes to it, and everything else it does on fasthttp's requests. It writes its
// answers, and reads the usual request, by itself and without allocating, because nothing general is as quick.
package legacy

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// API has the handlers. They may be called concurrently.
type API struct {
	bodies   *body.Reader
	presence ports.Presence
	tokens   ports.Tokens
	recent   *recent

	maxAnswer *atomic.Int64   // in bytes
	ctx       context.Context //nolint:containedctx // of all updates, for fasthttp has none of its own
}

// New makes the handlers, to be configured before they are used. Updates end with ctx. The clock is the one by which presences expire.
func New(ctx context.Context, bodies *body.Reader, presence ports.Presence, feed ports.Feed, tokens ports.Tokens, clock ports.Clock) *API {
	return &API{ctx: ctx, bodies: bodies, maxAnswer: new(atomic.Int64), presence: presence, tokens: tokens, recent: newRecent(feed, clock)}
}

// Configure says how many bytes an answer may have.
func (a *API) Configure(maxAnswer int64) { a.maxAnswer.Store(maxAnswer) }

// buffers is the memory that one request and its answer need, kept for the next.
type buffers struct {
	text    body.Body // of the request, whose strings are parts of it
	request Request
	found   []domain.Presences
	body    []byte
}

var pool = sync.Pool{New: func() any { return new(buffers) }}

// Release lets go of what the buffers refer to, so that it can be freed, and of the buffers.
func (b *buffers) Release() {
	b.request.Reset()
	b.text.Release()
	clear(b.found)
	b.found = b.found[:0]
	pool.Put(b)
}

// Get answers a query.
func (a *API) Get(c *fiber.Ctx) error {
	ctx := c.Context()
	b := pool.Get().(*buffers)
	if err := a.bodies.Read(ctx, &b.text); err != nil {
		b.Release()
		return err
	}
	var list listAt
	if text := a.longList(ctx, b.text.Text); text != nil {
		var kept []byte
		if kept, list = a.recent.answer(text); kept != nil {
			b.Release()
			headers(ctx)
			ctx.Response.SetBodyRaw(kept) // which nobody writes to
			return nil
		}
	}
	by, err := a.query(ctx, b)
	if err != nil {
		b.Release()
		return err
	}
	return a.answer(ctx, by, b, list)
}

// longList returns the text of the list in a query. It returns nil if the list is too short to keep its answer, or the document begins in an
// unusual way; and if the token is not valid.
func (a *API) longList(ctx *fasthttp.RequestCtx, body []byte) []byte {
	if a.recent == nil || len(body) < minList {
		return nil
	}
	token, text, ok := Head(body)
	if !ok || len(text) < minList || len(text) > maxList {
		return nil
	}
	if by, err := a.authenticate(ctx, token); err != nil || by.Key != nil { // a key may not ask about all users
		return nil
	}
	return text
}

// query reads a query. What it reads lies in the body, and lasts as long: nothing of a query is kept.
func (a *API) query(ctx *fasthttp.RequestCtx, b *buffers) (by domain.Principal, err error) {
	if err := b.request.ReadQuery(b.text.Text); err != nil {
		return by, err
	}
	if by, err = a.authenticate(ctx, b.request.Token); err == nil {
		err = mayRead(by, b)
	}
	return by, err
}

// mayRead refuses a request if the principal may not ask about one of its users.
func mayRead(by domain.Principal, b *buffers) error {
	if err := by.MayRead(b.request.Users); err != nil {
		return problem.Locate(err, placeOfUser)
	}
	return nil
}

// Put carries out updates.
func (a *API) Put(c *fiber.Ctx) error {
	b := pool.Get().(*buffers)
	defer b.Release()
	if _, err := a.update(c.Context(), b, false); err != nil {
		return err
	}
	respond.Headers(&c.Context().Response.Header)
	return nil
}

// Post carries out updates and answers as a query.
func (a *API) Post(c *fiber.Ctx) error {
	b := pool.Get().(*buffers)
	by, err := a.update(c.Context(), b, true)
	if err != nil {
		b.Release()
		return err
	}
	return a.answer(c.Context(), by, b, listAt{})
}

// update carries out the updates of a request, or none of them, also if the principal may not be answered. The updates are parts of the body, which is used
// again when the buffers are released: nothing that is called here keeps them.
func (a *API) update(ctx *fasthttp.RequestCtx, b *buffers, answered bool) (by domain.Principal, err error) {
	if err := a.bodies.Read(ctx, &b.text); err != nil {
		return by, err
	}
	if err := b.request.ReadUpdate(b.text.Text); err != nil {
		return by, err
	}
	if by, err = a.authenticate(ctx, b.request.Token); err != nil {
		return by, err
	}
	if err := checkIDs(&b.request); err != nil {
		return by, err
	}
	if answered {
		if err := mayRead(by, b); err != nil {
			return by, err
		}
	}
	if err := a.presence.Update(conn.Context(a.ctx, ctx), by, b.request.Updates); err != nil {
		return by, problem.Locate(err, b.request.place)
	}
	return by, nil
}

// checkIDs refuses a request with a malformed id in an entry that sets no protocol: the use case, which gets the updates alone, would not
// see it. It names every malformed id of the request then.
func checkIDs(request *Request) error {
	for i, user := range request.Users {
		if !request.Bare(i) {
			continue
		}
		if _, err := domain.ParseUserID(user); err != nil {
			return problem.Locate(domain.CheckUserIDs(request.Users), placeOfUser)
		}
	}
	return nil
}

// errNoToken is for a request without any token, which is not told that its token is wrong.
var errNoToken = &problem.Error{Kind: domain.ErrUnauthenticated, Detail: "the AuthenticationToken is missing"}

func (a *API) authenticate(ctx *fasthttp.RequestCtx, token string) (domain.Principal, error) {
	if token == "" {
		return domain.Principal{}, errNoToken
	}
	by, err := a.tokens.Verify(token)
	if err == nil {
		err = conn.Admit(ctx, by)
	}
	return by, err
}

// answer answers with what by sees of the request's users now, and keeps that for the list. It sees to the release of the buffers.
func (a *API) answer(ctx *fasthttp.RequestCtx, by domain.Principal, b *buffers, list listAt) error {
	found, err := a.presence.Query(by, b.request.Users, b.found[:0])
	b.found = found
	if err != nil {
		err = problem.Locate(err, placeOfUser)
		b.Release()
		return err
	}
	size, err := a.measure(b)
	if err != nil {
		b.Release()
		return err
	}
	headers(ctx)
	if size > len(b.body) {
		respond.Stream(ctx, b.pieces, size, b)
		return nil
	}
	a.recent.keep(list, b.body, b.found)
	respond.Whole(ctx, b.body, b)
	return nil
}

// measure returns how large the answer is. If it is one piece it has that made.
func (a *API) measure(b *buffers) (size int, err error) {
	most := int(a.maxAnswer.Load())
	for piece := range b.pieces {
		size += len(piece)
		b.body = piece
		switch {
		case size > most && len(b.request.Updates) > 0:
			refused := problem.LargeAnswer(most)
			refused.Detail = "the updates were carried out, but " + refused.Detail
			return 0, refused
		case size > most:
			return 0, problem.LargeAnswer(most)
		case a.ctx.Err() != nil:
			return 0, a.ctx.Err()
		}
	}
	return size, nil
}

func headers(ctx *fasthttp.RequestCtx) {
	respond.Headers(&ctx.Response.Header)
	ctx.Response.Header.SetContentTypeBytes(respond.JSON)
}
