package events

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
