package leak_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

const (
	sites    = 2000
	together = 20 // so many share two servers
)

// TestNothingLeaks shows for random sites that a viewer cannot tell what is hidden from it from its absence: on every way out, after each step of what happens.
func TestNothingLeaks(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("LEAK_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("LEAK_SEED=%d", seed)
	for first := 0; first < sites; first += together {
		if told := compareSites(t, seed, first, together, nil); told != "" {
			t.Fatal(told)
		}
	}
}

// compareSites lets some random sites happen in two worlds, the first of which leaks by the fault. It returns how the two could be told apart; empty if they
// could not.
func compareSites(t *testing.T, seed uint64, first, count int, planted fault) string {
	t.Helper()
	now := &clock{}
	now.now.Store(int64(domain.TimestampOf(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))))
	tokens := principals{known: make(map[string]domain.Principal)}
	p := &pair{t: t, clock: now, tokens: tokens}
	p.real, p.other = newWorld(t, now, tokens, planted), newWorld(t, now, tokens, nil)
	defer p.real.stop()
	defer p.other.stop()
	for number := first; number < first+count; number++ {
		p.site = newSite(first, number, rand.New(rand.NewPCG(seed, uint64(number))))
		if told := p.play(); told != "" {
			return fmt.Sprintf("site %d:\n%s\n%s", number, p.site, told)
		}
	}
	return ""
}

// pair is the two worlds of a site.
type pair struct {
	*site
	t           *testing.T
	clock       *clock
	tokens      principals
	real, other *world
	live        [2]*stream // of the compared viewer, in both
	beside      *stream    // of the other viewer, in the real world
	tags        []string   // that the compared viewer has got in the real world
	ids         []string   // that anybody has got there
	step        int
}

// play lets a site happen. It returns how the worlds could be told apart.
func (p *pair) play() string {
	for _, v := range p.viewers {
		p.tokens.known[v.token] = v.principal
	}
	p.real.obey(p.site)
	p.other.obey(p.site)
	p.live, p.beside, p.tags, p.ids, p.step = [2]*stream{}, nil, nil, []string{"0"}, 0
	defer p.hangUp()
	begin := p.random.IntN(3) // streams begin before, or in the middle
	for step := range 2 + p.random.IntN(4) {
		if step == begin {
			if told := p.listen(); told != "" {
				return told
			}
		}
		if told := p.advance(); told != "" {
			return fmt.Sprintf("step %d: %s", p.step, told)
		}
	}
	return ""
}

// listen begins the streams.
func (p *pair) listen() string {
	ask := p.eventsRequest("")
	var begin [2]string
	p.live[0], begin[0] = follow(p.t, p.real.http, p.compared.token, ask)
	p.live[1], begin[1] = follow(p.t, p.other.http, p.compared.token, ask)
	beside := p.besides()
	p.beside, _ = follow(p.t, p.real.http, beside.token, p.eventsOf(beside, ""))
	return differ(ask.String(), begin[0], begin[1])
}

// hangUp closes the streams.
func (p *pair) hangUp() {
	for _, s := range []*stream{p.live[0], p.live[1], p.beside} {
		if s != nil {
			_ = s.conn.Close()
		}
	}
}

// besides returns the viewer who is not compared.
func (p *pair) besides() *viewer {
	if p.compared == &p.viewers[0] {
		return &p.viewers[1]
	}
	return &p.viewers[0]
}

// advance lets something happen in both worlds, and asks both.
func (p *pair) advance() string {
	p.step++
	p.clock.now.Add(int64(time.Duration(p.random.IntN(100)) * time.Second))
	for _, c := range p.changes(p.real) {
		p.happen(c)
	}
	mark := "step " + strconv.Itoa(p.step)
	for _, v := range []*viewer{p.besides(), p.compared} {
		old, _ := p.real.core.Image.Presences(v.own).On(board)
		next := old.Observe(domain.Shown{Status: domain.Available, Message: mark}, domain.ExpiryPolicy{}, p.clock.Now())
		p.happen(change{v.own, next})
	}
	p.real.commit()
	p.other.commit()
	if p.live[0] != nil {
		p.beside.untilOwn(string(p.besides().own), mark)
		told := [2]string{p.live[0].untilOwn(string(p.compared.own), mark), p.live[1].untilOwn(string(p.compared.own), mark)}
		if d := differ("the stream of events", told[0], told[1]); d != "" {
			return d
		}
		p.ids = append(append(p.ids, p.live[0].ids...), p.beside.ids...)
		p.live[0].ids, p.beside.ids = nil, nil
	}
	return p.ask()
}

// happen adds a change to both worlds, so that the last revision of both is the same.
func (p *pair) happen(c change) {
	p.mask(p.real, c)
	old, there := p.real.core.Image.Presences(c.user).Of(c.next.Protocol, c.next.Device)
	changes := 0
	if !there && !c.next.Removed || there && old.Differs(c.next) {
		changes = 1
	}
	kept := p.real.presences(c.user)
	renewals, changed := p.counterpart(c.user, p.shown(c.user, kept.With(unrevised(c.next))))
	both := max(changes, len(changed))
	p.real.fill(both - changes)
	p.real.write(c.user, c.next)
	p.other.fill(both - len(changed))
	for _, next := range slices.Concat(renewals, changed) {
		p.other.write(c.user, next)
	}
}

func unrevised(p domain.Presence) domain.Presence {
	p.Revision = 0
	return p
}

// counterpart returns what is to be written in the other world to have these presences of a user there.
func (p *pair) counterpart(user domain.UserID, want domain.Presences) (renewals, changed []domain.Presence) {
	have := p.other.presences(user)
	for _, old := range have {
		if _, stays := want.Of(old.Protocol, old.Device); !stays {
			changed = append(changed, old.Remove(p.clock.Now()))
		}
	}
	for _, next := range want {
		old, there := have.Of(next.Protocol, next.Device)
		switch {
		case there && old == next:
		case there && !old.Differs(next):
			renewals = append(renewals, next)
		default:
			changed = append(changed, next)
		}
	}
	return renewals, changed
}

// differ tells for a person how two answers differ; empty if they do not.
func differ(asked, real, other string) string {
	if real == other {
		return ""
	}
	at := 0
	for at < min(len(real), len(other)) && real[at] == other[at] {
		at++
	}
	at = max(0, strings.LastIndexByte(real[:at], '\n'))
	return fmt.Sprintf("%s\nis answered with\n%s\nand if what is hidden had not been:\n%s\n(they differ from here on: %s\nand %s)", asked, real, other, short(real[at:]), short(other[at:]))
}

func short(text string) string { return text[:min(len(text), 400)] }

// String tells for a person what the site is.
func (s *site) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "compared: %s (sees invisible: %v), beside: %v\n", s.compared.token, s.compared.seeInvisible, s.viewers)
	for _, r := range s.rules {
		fmt.Fprintf(&b, "  rule: viewer %s, user %s, sees %s\n", r.viewer, r.user, r.sees)
	}
	for _, user := range s.users {
		fmt.Fprintf(&b, "  %s is in %v, %s sees %s\n", user, s.groups[user], s.compared.token, s.sees(s.compared, user))
	}
	for _, user := range slices.Sorted(maps.Keys(s.masks)) {
		fmt.Fprintf(&b, "  %s is invisible: %+v\n", user, s.masks[user])
	}
	return b.String()
}
