package http

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/userstatus"
	"github.com/zarafa/presence/ports"
)

// authorisedList returns the text of the list in a query, from its opening bracket to the end of the body. It reports false if
// the list is too short to be worth while, or the document begins in an unusual way; and if the token is not valid,
// because then the lists that are known must not be touched.
func (s *Server) authorisedList(body []byte) (text []byte, ok bool) {
	if len(body) < minListText {
		return nil, false
	}
	token, text, ok := userstatus.Head(body)
	if !ok || len(text) < minListText {
		return nil, false
	}
	_, err := s.tokens.Verify(token)
	return text, err == nil
}

// answerRepeated answers a query whose list was asked for before, and makes the list known. It keeps text.
func (s *Server) answerRepeated(ctx *fasthttp.RequestCtx, x *exchange, text []byte) error {
	view, err := s.presence.View(x.request.Users)
	if err != nil {
		return s.refused(ctx, x, err)
	}
	now, whole := x.read(view)
	x.release()
	if !whole {
		respondPiecemeal(ctx, answerOf(view), nil)
		return nil
	}
	s.lists.add(text, now)
	respondWhole(ctx, now.body)
	return nil
}

// answerKnown answers a query for a list that is known.
func (s *Server) answerKnown(ctx *fasthttp.RequestCtx, known *list) error {
	last := known.last.Load()
	view, changed := last.view.Refresh()
	if view == last.view {
		respondWhole(ctx, last.body)
		return nil
	}
	now := &reading{view: view, body: last.body}
	if changed {
		x := newExchange()
		var whole bool
		now, whole = x.read(view)
		x.release()
		if !whole {
			s.lists.forget(known)
			respondPiecemeal(ctx, answerOf(view), nil)
			return nil
		}
	}
	s.lists.update(known, last, now)
	respondWhole(ctx, now.body)
	return nil
}

// read renders a view. It reports false if the answer is too large for one piece.
func (x *exchange) read(view ports.View) (*reading, bool) {
	var whole bool
	x.body, whole = answerOf(view).Append(x.body[:0], maxWhole)
	if !whole {
		return nil, false
	}
	return &reading{view: view, body: bytes.Clone(x.body)}, true
}

func answerOf(view ports.View) userstatus.Answer {
	return userstatus.Answer{Users: view.IDs(), Found: view.Presences()}
}
