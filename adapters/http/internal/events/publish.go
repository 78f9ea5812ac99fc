package events

import (
	"cmp"
	"slices"
	"time"

	"github.com/zarafa/presence/domain"
)

// news is a change of a user that is seen by those whose sight is one of some. Of one change of the feed there can be several: a state can stand for
// an earlier change of the status and a later one of the message, and who sees the status alone is told the first of them.
type news struct {
	revision domain.Revision
	state    *domain.State
	same     bool // everybody sees it
	sights   [domain.SeesInvisible + 1]bool
}

// appendNews appends what is new in some states after a revision, up to another one, in the order in which it is told. unrestricted says that everybody
// sees all of everybody.
func appendNews(dst []news, states []domain.State, since, upto domain.Revision, unrestricted bool) []news {
	for i := range states {
		state := &states[i]
		if all := state.Revisions.All; unrestricted && state.Others == nil && all == state.Revisions.Invisible {
			if since < all && all <= upto {
				dst = append(dst, news{revision: all, state: state, same: true})
			}
			continue
		}
		begin := len(dst)
		for sight := domain.SeesStatus; sight <= domain.SeesInvisible; sight++ {
			revision := state.Revisions.Of(sight)
			if revision <= since || revision > upto {
				continue
			}
			at := slices.IndexFunc(dst[begin:], func(n news) bool { return n.revision == revision })
			if at < 0 {
				at = len(dst) - begin
				dst = append(dst, news{revision: revision, state: state})
			}
			dst[begin+at].sights[sight] = true
		}
	}
	slices.SortFunc(dst, func(a, b news) int { return cmp.Compare(a.revision, b.revision) })
	return dst
}

// publish gives what is new in some states, up to a revision, to the subscribers who follow the users and see it.
func (h *Hub) publish(states []domain.State, head domain.Revision) {
	h.mu.Lock()
	since := h.head
	h.mu.Unlock()
	h.news = appendNews(h.news[:0], states, since, head, h.feed.Unrestricted())
	for i := range h.news {
		h.tell(&h.news[i])
	}
	clear(h.news)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.head = max(h.head, head)
}

// tell gives one of the news to the subscribers who see it.
func (h *Hub) tell(n *news) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n.revision <= h.head {
		return // a subscriber was told everything up to the head when the following began anew
	}
	made := rendering{news: n, at: time.Now()}
	user := n.state.User
	for _, t := range h.topicsOf(user) {
		for sub, seen := range t.followers {
			sight := domain.SeesAll
			if !n.same {
				sight = made.sight(h, t, sub, seen)
			}
			if (n.same || n.sights[sight]) && sub.isNews(user, n.revision) {
				h.give(sub, made.event(sight, sub.spelt[user]))
			}
		}
	}
	h.recent = append(h.recent, note{user, n.revision})
	if most := h.settings.Recent; len(h.recent) == 2*most {
		h.forgotten, h.recent = h.recent[most-1].revision, slices.Clone(h.recent[most:])
		if h.everyone.upto < h.forgotten {
			h.everyone = snapshot{} // it is of no use any more
		}
	}
	h.head = n.revision
}

// rendering makes the events of one of the news: one for each sight, which is shared.
type rendering struct {
	*news
	at     time.Time
	shared [domain.SeesInvisible + 1]*event
	last   lastViewer
}

// lastViewer is whose sight of the user was looked up last.
type lastViewer struct {
	by    *domain.Principal // nil: nobody's was
	sight domain.Sight
}

// sight returns what a follower of a topic sees of the user. To look it up for many subscribers takes long, so a topic that is one user remembers it; and
// those who follow everybody are few services, with many streams perhaps. The caller holds the hub's lock.
func (r *rendering) sight(h *Hub, t *topic, sub *subscriber, seen cachedSight) domain.Sight {
	if seen.rules == h.rules {
		return seen.sight
	}
	if by := r.last.by; by == nil || by.User != sub.by.User || by.Service != sub.by.Service || by.Key != sub.by.Key {
		r.last = lastViewer{&sub.by, h.feed.Sight(sub.by, r.state.User)}
	}
	if t.user == r.state.User {
		t.followers[sub] = cachedSight{h.rules, r.last.sight}
	}
	return r.last.sight
}

// event returns the event for a sight. Only a subscriber who knows the user by other ids gets one of its own.
func (r *rendering) event(sight domain.Sight, spelt []string) *event {
	if r.state.Others == nil && sight == domain.SeesInvisible {
		sight = domain.SeesAll // which is the same
	}
	if spelt != nil {
		return r.render(sight, spelt...)
	}
	if r.shared[sight] == nil {
		r.shared[sight] = r.render(sight, string(r.state.User))
	}
	return r.shared[sight]
}

func (r *rendering) render(sight domain.Sight, spellings ...string) *event {
	seen := r.state.Seen(sight)
	seen.Revision = r.revision // the same, unless the feed has forgotten it meanwhile: ids must ascend
	return &event{r.revision, appendPresence(nil, &seen, spellings...), r.at}
}
