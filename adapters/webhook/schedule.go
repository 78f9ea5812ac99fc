package webhook

import (
	"math/rand/v2"
	"time"
)

// schedule has the pause after each failed attempt, as Standard Webhooks recommends. The last one is repeated for ever.
var schedule = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// pauseAfter returns the pause after so many failures: a tenth less or more, so that many webhooks do not come back at once.
func (h *health) pauseAfter(failures int) time.Duration {
	pause := h.schedule[min(max(failures, 1), len(h.schedule))-1]
	return pause*9/10 + rand.N(pause/5+1)
}

// maxRefused is how many messages in a row a receiver may refuse before it is taken for one that fails: it may know some of the users only.
const maxRefused = parallel

// health is how the receiver is doing. It belongs to one goroutine.
type health struct {
	schedule []time.Duration

	failures int       // rounds that have failed since it has last taken something
	refused  int       // messages that it has refused since then
	until    time.Time // it is left alone until then, if there are failures
	round    int       // how many times it was left alone
	since    time.Time // since when there are failures; zero: there are none
}

// took notes that the receiver has taken a message.
func (h *health) took() { *h = health{schedule: h.schedule, round: h.round} }

// failed notes that the receiver has not taken a message that was sent in a round, and returns when to send that again.
func (h *health) failed(a answer, round, attempts int, now time.Time) time.Time {
	if a.refused() && attempts == 0 { // the same one again says nothing new
		h.refused++
	}
	if a.refused() && h.refused < maxRefused && h.failures == 0 {
		return now.Add(h.pauseAfter(attempts + 1))
	}
	if round < h.round { // others have failed in this round, and that was noted
		return h.until
	}
	if h.failures++; h.since.IsZero() {
		h.since = now
	}
	h.round++
	pause := a.pause
	if pause <= 0 {
		pause = h.pauseAfter(h.failures)
	}
	h.until = now.Add(pause)
	return h.until
}

// room returns how many messages may be on their way at a moment.
func (h *health) room(now time.Time) int {
	switch {
	case h.failures == 0:
		return parallel
	case now.Before(h.until):
		return 0
	}
	return 1 // to see whether it takes it
}
