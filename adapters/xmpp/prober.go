package xmpp

import (
	"math/rand/v2"
	"time"

	"github.com/zarafa/presence/domain"
)

const (
	maxUnanswered = 2           // probes; then a contact counts as silent
	probesPerTurn = 100         // so that no server is flooded
	turnEvery     = time.Second // at most
)

// prober asks contacts from time to time whether they are still there, with a presence probe (RFC 6121, 4.3). It finds
// those who have left without a word: their server or component has died, or they have blocked our account and their server does not tell.
//
// Every round asks all contacts who are online or were so on this connection, a part of them each turn. A contact who does not answer in two
// rounds is reported as silent. Users who are seen without being contacts cannot be asked: their server answers that we may not.
//
// Only the goroutine that handles stanzas uses it. It is called after stanzas, when no other waits, and the answers to our
// pings come at short intervals.
type prober struct {
	every    time.Duration // between two rounds, on average
	nextTurn time.Time
	round    time.Time // when the next round begins
	asking   []string  // the contacts that the current round has not asked yet
}

func newProber(every time.Duration) prober {
	return prober{every: every, round: time.Now().Add(jittered(every))}
}

// jittered returns between three and five quarters of a duration, so that many daemons do not ask at once.
func jittered(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2+1) }

// turn asks some contacts if it is time. An error means that the link is lost.
func (p *prober) turn(s *session, now time.Time) error {
	if now.Before(p.nextTurn) {
		return nil
	}
	p.nextTurn = now.Add(min(turnEvery, p.every))
	if len(p.asking) == 0 && !now.Before(p.round) {
		p.round = now.Add(jittered(p.every))
		for bare, c := range s.source.contacts.byJID {
			if c.visible && c.online {
				p.asking = append(p.asking, bare)
			}
		}
	}
	some := p.asking[:min(len(p.asking), probesPerTurn)]
	p.asking = p.asking[len(some):]
	for _, bare := range some {
		if err := s.probe(bare); err != nil {
			return err
		}
	}
	return nil
}

// probe asks a contact, and reports it as silent if it has not answered for too long. It goes on asking: a server may come back.
func (s *session) probe(bare string) error {
	c := s.source.contacts.byJID[bare]
	if !c.visible || !c.online { // meanwhile
		return nil
	}
	silent := c.unanswered == maxUnanswered
	if c.unanswered <= maxUnanswered {
		c.unanswered++
		s.keep(bare, c)
	}
	if silent {
		s.source.log.Debug("a contact does not answer presence probes any more", "jid", clip(bare))
		s.observer.Report(domain.Report{User: c.user, Device: bare + "/", Status: domain.Unavailable, Prefix: true, Stale: true})
	}
	return s.sendPresence(bare, "probe")
}
