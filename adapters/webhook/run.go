package webhook

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// run is one Run of an Exporter.
type run struct {
	*Exporter

	outbox  ports.Outbox
	client  *client
	news    chan ports.News
	results chan result
	stopped chan error // why the news have ended

	// Only deliver uses these.
	queue        *queue
	health       health
	sending      int
	acknowledged ports.Mark
	said         string // what the log was told last of a failure
}

// result is what became of a message.
type result struct {
	*waiting

	answer answer
	of     fingerprint
	round  int
	took   time.Duration
}

// ask asks for news until they end, and returns why.
func (r *run) ask(ctx context.Context) error {
	for {
		news, err := r.outbox.Next(ctx)
		if err != nil {
			return err
		}
		select {
		case r.news <- news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// deliver sends what there is until ctx ends, or it cannot go on.
func (r *run) deliver(ctx context.Context, working *sync.WaitGroup) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		r.send(ctx, working)
		r.note()
		timer.Reset(r.untilNext(time.Now()))
		select {
		case news := <-r.news:
			r.take(news)
		case done := <-r.results:
			if done.answer.gone() {
				r.failed.Add(1)
				return errGone
			}
			r.end(ctx, done)
		case err := <-r.stopped:
			return err
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take puts news into the queue.
func (r *run) take(news ports.News) {
	now, renewal := time.Now(), uint64(0)
	if news.Anew {
		renewal = uint64(now.UnixNano())
	}
	for i := range news.States {
		state := &news.States[i]
		if !r.wants(state.User) || state.Revision == 0 && !r.queue.knows(state.User) {
			continue
		}
		of := r.fingerprint(state)
		if news.Told {
			r.queue.told[state.User] = of
		} else {
			r.queue.add(state.User, of, renewal, now)
		}
	}
	r.queue.given = news.Mark
}

// haltedPause is the pause before the outbox is asked again that has said that nothing may be told.
const haltedPause = time.Second

// send begins to send as much as may be on its way.
func (r *run) send(ctx context.Context, working *sync.WaitGroup) {
	now := time.Now()
	for r.sending < r.health.room(now) {
		w := r.queue.next(now, r.health.failures > 0)
		if w == nil {
			return
		}
		state, ok := r.outbox.State(w.user)
		if !ok {
			r.queue.failed(w, now.Add(haltedPause))
			return
		}
		of := r.fingerprint(&state)
		if told, is := r.queue.told[w.user]; is && told == of || !is && !w.unsure && state.Revision == 0 {
			r.queue.sent(w) // the receiver knows that, or nothing
			continue
		}
		delete(r.queue.told, w.user) // until it has taken this, nobody knows what it knows
		w.tried = of
		m := r.message(state, r.idOf(&state, of, w.renewal), w.changed)
		r.sending++
		round := r.health.round
		working.Go(func() {
			began := time.Now()
			done := result{waiting: w, of: of, round: round, answer: r.client.send(ctx, m)}
			done.took = time.Since(began)
			select {
			case r.results <- done:
			case <-ctx.Done():
			}
		})
	}
}

// end ends the sending of a message.
func (r *run) end(ctx context.Context, done result) {
	r.sending--
	r.durations.Observe(done.took)
	if done.answer.taken() {
		if !r.health.since.IsZero() {
			r.log.Info("the webhook's endpoint takes messages again", "failed_for", time.Since(r.health.since).Round(time.Second))
			r.said = ""
		}
		r.told.Add(1)
		r.health.took()
		r.queue.told[done.user] = done.of
		r.queue.sent(done.waiting)
		return
	}
	r.failed.Add(1)
	now := time.Now()
	due := r.health.failed(done.answer, done.round, done.attempts, now)
	r.queue.failed(done.waiting, due)
	level := slog.LevelDebug
	if reason := done.answer.err.Error(); reason != r.said {
		r.said, level = reason, slog.LevelWarn
	}
	r.log.Log(ctx, level, "the webhook's endpoint has not taken a message, will try again", "err", done.answer.err, "user", done.user,
		"retry_in", due.Sub(now).Round(time.Millisecond), "waiting", r.queue.size)
}

// untilNext returns how long it is until something is due.
func (r *run) untilNext(now time.Time) time.Duration {
	due, any := r.queue.due()
	if !any || r.sending > 0 && r.sending >= r.health.room(now) {
		return time.Hour // a result or news come first
	}
	if r.health.failures > 0 && due.Before(r.health.until) {
		due = r.health.until
	}
	return max(due.Sub(now), 0)
}

// note tells others how far this is.
func (r *run) note() {
	r.waiting.Store(int64(r.queue.size))
	var since domain.Timestamp
	if !r.health.since.IsZero() {
		since = domain.TimestampOf(r.health.since)
	}
	r.failingSince.Store(int64(since))
	if mark := r.queue.mark(); mark != r.acknowledged {
		r.acknowledged = mark
		r.outbox.Acknowledge(mark)
	}
}
