package conn

import (
	"container/list"
	"errors"
	"net/netip"
	"time"
)

// The reasons why there is no place for a connection.
var (
	ErrFull      = errors.New("http.max_connections are in use")
	ErrAnonymous = errors.New("http.max_anonymous_per_address are in use: this address has too many connections that have shown no valid token")
	ErrStreams   = errors.New("http.max_streams are in use")
)

// Limits are how many connections there may be, and how long one may be idle that has not shown a valid token yet.
type Limits struct {
	Connections         int // without the streams
	Streams             int
	AnonymousPerAddress int
	AnonymousTimeout    time.Duration
	Rates               Rates
	Proxies             Proxies // whose connections do not count as anonymous
	UserHeader          string  // in which a proxy names the user; empty: in none
}

// places says which connections have a place. A connection is anonymous until it shows a valid token, and a stream after TakeOver. Group.mu guards it.
type places struct {
	limits    Limits
	conns     map[*Conn]struct{}
	streams   int
	anonymous *list.List // of *Conn, the oldest first
	byParty   map[netip.Addr]int
}

func newPlaces(limits Limits) places {
	return places{limits: limits, conns: make(map[*Conn]struct{}), anonymous: list.New(), byParty: make(map[netip.Addr]int)}
}

// add gives a new connection a place. If there is none left, the oldest anonymous connection has to go: it is returned.
func (p *places) add(c *Conn) (victim *Conn, err error) {
	if !c.known && p.byParty[c.party] >= p.limits.AnonymousPerAddress {
		return nil, ErrAnonymous
	}
	if len(p.conns)-p.streams >= p.limits.Connections {
		oldest := p.anonymous.Front()
		if oldest == nil {
			return nil, ErrFull
		}
		victim = oldest.Value.(*Conn)
		p.remove(victim)
	}
	p.conns[c] = struct{}{}
	if !c.known {
		c.place = p.anonymous.PushBack(c)
		p.byParty[c.party]++
	}
	return victim, nil
}

// remove takes a connection's place away, if it has one.
func (p *places) remove(c *Conn) {
	if _, there := p.conns[c]; !there {
		return
	}
	delete(p.conns, c)
	if c.isStream {
		p.streams--
	}
	p.identify(c)
}

// identify takes a connection out of the anonymous ones.
func (p *places) identify(c *Conn) {
	if c.place == nil {
		return
	}
	p.anonymous.Remove(c.place)
	c.place = nil
	if p.byParty[c.party]--; p.byParty[c.party] == 0 {
		delete(p.byParty, c.party)
	}
}

// makeStream moves a connection to the streams' places.
func (p *places) makeStream(c *Conn) error {
	if p.streams >= p.limits.Streams {
		return ErrStreams
	}
	if _, there := p.conns[c]; there {
		c.isStream = true
		p.streams++
	}
	return nil
}
