package events

// Count is how much is in memory for the subscribers.
type Count struct {
	Streams int
	Users   int // in all lists; each counts once a shard
	Places  int // of subscribers in all lists
}

// Count tells how much there is. It waits for the shards, and is zero after Stop.
func (h *Hub) Count() (sum Count) {
	h.mu.Lock()
	shards := h.shards
	h.mu.Unlock()
	for _, s := range shards {
		counted := make(chan struct{})
		if !s.post(func() {
			sum.Streams += len(s.listed) + len(s.all)
			sum.Users += len(s.topics)
			for _, t := range s.topics {
				sum.Places += len(t.members)
			}
			close(counted)
		}) {
			continue
		}
		<-counted
	}
	return sum
}
