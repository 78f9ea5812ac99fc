package events

import "github.com/zarafa/presence/domain"

// Count is how much is in memory for the subscribers.
type Count struct {
	Streams int
	Users   int // in all lists
	Places  int // of subscribers in all lists
}

// Count tells how much there is.
func (h *Hub) Count() Count {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := Count{Streams: len(h.subscribers)}
	for user, t := range h.topics {
		if user != everybody {
			sum.Users++
			sum.Places += len(t.followers)
		}
	}
	return sum
}

// Head returns up to which revision the subscribers were given all changes.
func (h *Hub) Head() domain.Revision {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.head
}
