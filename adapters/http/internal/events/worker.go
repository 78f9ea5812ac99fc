package events

import (
	"slices"
	"time"
)

// batchSize is about how many bytes are written to a connection at once.
const batchSize = 64 << 10

// work is one of the workers. It writes to the subscribers that are due, until the hub has stopped and none is left.
func (h *Hub) work() {
	var batch []*event
	var text []byte
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		for len(h.due) == 0 {
			if h.ctx.Err() != nil {
				return
			}
			h.wake.Wait()
		}
		sub := h.due[0]
		h.due[0], h.due = nil, h.due[1:]
		if sub.behind || sub.ending != unended {
			h.leave(sub, nil, false)
			continue
		}
		batch, text = batch[:0], text[:0]
		for _, e := range sub.pending {
			if batch, text = append(batch, e), append(text, e.text...); len(text) >= batchSize {
				break
			}
		}
		sub.pending = slices.Delete(sub.pending, 0, len(batch))
		h.mu.Unlock()
		n, waiting, err := sub.conn.WriteNow(text)
		h.mu.Lock()
		h.wrote(sub, batch, n, waiting, err)
		clear(batch)
	}
}

// wrote takes note of how many bytes of some events a subscriber's connection has taken, and whether some of them wait to be sent.
func (h *Hub) wrote(sub *subscriber, batch []*event, n int, waiting bool, err error) {
	var rest []byte
	now := time.Now()
	for len(batch) > 0 && n > 0 {
		e := batch[0]
		sub.told, rest = e.revision, e.text[min(n, len(e.text)):]
		if !e.at.IsZero() {
			h.deliveries.Observe(now.Sub(e.at))
		}
		batch, n = batch[1:], n-len(e.text)
	}
	sub.wrote = now
	switch {
	case err != nil:
		h.remove(sub)
	case len(rest) > 0:
		h.leave(sub, rest, len(batch) > 0)
	case len(batch) > 0 || waiting:
		h.leave(sub, []byte(nothing), len(batch) > 0) // which is written when the connection takes something again
	case len(sub.pending) > 0 || sub.behind || sub.ending != unended:
		h.due = append(h.due, sub)
	default:
		sub.busy, sub.pending = false, nil
	}
}

// leave leaves a subscriber to a goroutine of its own, which first writes the rest of an event.
func (h *Hub) leave(sub *subscriber, rest []byte, missed bool) {
	sub.fallBehind(missed)
	h.running.Go(func() { h.catchUp(&report{hub: h, sub: sub}, rest) })
}
