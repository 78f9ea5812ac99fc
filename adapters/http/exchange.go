package http

import (
	"bytes"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/document"
	"github.com/zarafa/presence/adapters/http/internal/userstatus"
	"github.com/zarafa/presence/domain"
)

// exchange is the memory that one request and its answer need, kept for the next.
type exchange struct {
	request userstatus.Request
	found   []domain.Presences
	body    []byte

	// Of API v1.
	asked  document.Query
	states []domain.State
	packed []byte
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

func newExchange() *exchange { return exchanges.Get().(*exchange) }

// release lets go of what the exchange refers to, so that it can be freed.
func (x *exchange) release() {
	x.request.Reset()
	clear(x.found)
	x.found = x.found[:0]
	x.asked.Reset()
	clear(x.states)
	x.states = x.states[:0]
	exchanges.Put(x)
}

// query answers GET.
func (s *Server) query(ctx *fasthttp.RequestCtx) error {
	body := ctx.Request.Body()
	var repeated []byte
	if text, ok := s.authorisedList(body); ok {
		if known := s.lists.find(text); known != nil {
			return s.answerKnown(ctx, known)
		}
		if s.lists.again(text) {
			repeated = bytes.Clone(text) // reading changes it
		}
	}
	x := newExchange()
	if err := x.request.ReadQuery(body); err != nil {
		return s.refused(ctx, x, err)
	}
	if _, err := s.tokens.Verify(x.request.Token); err != nil {
		return s.refused(ctx, x, err)
	}
	if repeated != nil && len(x.request.Users) >= minListUsers {
		return s.answerRepeated(ctx, x, repeated)
	}
	return s.answer(ctx, x)
}

// update carries out PUT.
func (s *Server) update(ctx *fasthttp.RequestCtx) error {
	x := newExchange()
	if err := s.apply(ctx, x); err != nil {
		return s.refused(ctx, x, err)
	}
	setHeader(ctx)
	x.release()
	return nil
}

// updateAndQuery carries out POST.
func (s *Server) updateAndQuery(ctx *fasthttp.RequestCtx) error {
	x := newExchange()
	if err := s.apply(ctx, x); err != nil {
		return s.refused(ctx, x, err)
	}
	return s.answer(ctx, x)
}

// apply carries out the updates of a request, or none of them.
func (s *Server) apply(ctx *fasthttp.RequestCtx, x *exchange) error {
	if err := x.request.ReadUpdate(ctx.Request.Body()); err != nil {
		return err
	}
	by, err := s.tokens.Verify(x.request.Token)
	if err != nil {
		return err
	}
	addBadBareUsers(&x.request)
	return s.presence.Update(s.ctx, by, x.request.Updates)
}

// addBadBareUsers adds an update for each entry that sets no protocol and has a bad user id. The use case, which would not get to see
// such an entry, then refuses it together with all other faults of the request, and nothing is done. What it says about the update's
// empty protocol and status is left out by problemOfEntries.
func addBadBareUsers(request *userstatus.Request) {
	for _, entry := range request.Bare() {
		user := request.Users[entry]
		if _, err := domain.ParseUserID(user); err != nil {
			request.AddUpdate(entry, domain.Update{User: user})
		}
	}
}

// maxWhole is the largest answer that is made in memory at once, in bytes. A larger one is made while it is sent: an answer may have
// hundreds of megabytes, since a request can name one user with a long message very often.
const maxWhole = 256 << 10

// answer answers with what is known about the request's users now.
func (s *Server) answer(ctx *fasthttp.RequestCtx, x *exchange) error {
	found, err := s.presence.Query(x.request.Users, x.found[:0])
	x.found = found
	if err != nil {
		return s.refused(ctx, x, err)
	}
	answer := userstatus.Answer{Users: x.request.Users, Found: x.found}
	var whole bool
	x.body, whole = answer.Append(x.body[:0], maxWhole)
	if !whole {
		respondPiecemeal(ctx, answer, x)
		return nil
	}
	respondWhole(ctx, x.body)
	ctx.Conn().(*conn).exchange = x // which releases it when the answer was sent
	return nil
}

// respondWhole answers with a body, which is not copied: it must not change until the answer was sent.
func respondWhole(ctx *fasthttp.RequestCtx, body []byte) {
	setHeader(ctx)
	ctx.Response.Header.SetContentTypeBytes(typeJSON)
	ctx.Response.SetBodyRaw(body)
}

// respondPiecemeal answers with what is too large for one piece, and releases the exchange then, unless it is nil.
func respondPiecemeal(ctx *fasthttp.RequestCtx, answer userstatus.Answer, x *exchange) {
	setHeader(ctx)
	ctx.Response.Header.SetContentTypeBytes(typeJSON)
	ctx.Response.SetBodyStream(&stream{Answer: answer, exchange: x}, answer.Size())
}

// refused turns an error about the request into one that the response can be made of.
func (s *Server) refused(ctx *fasthttp.RequestCtx, x *exchange, err error) error {
	p := problemOf(err, &x.request)
	if p.Status == fasthttp.StatusUnauthorized || p.Status == fasthttp.StatusForbidden {
		s.refusals.note(p.Status, err.Error(), ctx.RemoteAddr())
	}
	x.release()
	return p
}

// stream is an answer that fasthttp fetches while it sends it. It finishes the exchange then, if there is one, because the answer
// refers to the request.
type stream struct {
	userstatus.Answer
	exchange *exchange
}

// Read is not called: fasthttp prefers WriteTo. It is here because only a reader can be a body.
func (*stream) Read([]byte) (int, error) { return 0, errNoRead }

// Close is called by fasthttp when the answer was sent, or could not be.
func (b *stream) Close() error {
	if b.exchange != nil {
		b.exchange.release()
	}
	return nil
}
