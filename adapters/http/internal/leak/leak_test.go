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
	together = 40 // so many share two servers
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

// compareSites lets some random sites happen in two worlds. If a fault is planted, the first one leaks by it. It returns how the two could be told
// apart; empty if they could not.
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
			return fmt.Sprintf("site %d:\n%s\n%s\n  kept in the first:\n%s  in the other:\n%s", number, p.site, told, p.real.dump(p.host), p.other.dump(p.host))
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
	begin := p.random.IntN(4) // streams begin before, or in the middle, or not at all: they take most of the time
	steps := 2 + p.random.IntN(2)
	if p.random.IntN(4) == 0 {
		steps += 2
	}
	for step := range steps {
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
	if p.random.IntN(3) == 0 {
		p.beside, _ = follow(p.t, p.real.http, p.besides().token, p.eventsOf(p.besides(), ""))
	}
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
	mark := "step " + strconv.Itoa(p.step) + " of " + p.host
	for _, v := range []*viewer{p.besides(), p.compared} {
		old, _ := p.real.core.Image.Presences(v.own).On(board)
		next := old.Observe(domain.Shown{Status: domain.Available, Message: mark}, domain.ExpiryPolicy{}, p.clock.Now())
		p.happen(change{v.own, next})
	}
	p.real.commit(mark)
	p.other.commit(mark)
	if p.live[0] != nil {
		if p.beside != nil {
			p.beside.untilOwn(string(p.besides().own), mark)
			p.ids = append(p.ids, p.beside.ids...)
			p.beside.ids = nil
		}
		told := [2]string{p.live[0].untilOwn(string(p.compared.own), mark), p.live[1].untilOwn(string(p.compared.own), mark)}
		if d := differ("the stream of events", told[0], told[1]); d != "" {
			return d
		}
		p.ids = append(p.ids, p.live[0].ids...)
		p.live[0].ids = nil
	}
	return p.ask()
}

// happen adds a change to both worlds, so that what is seen of it has the same revision in both, and the last revision is the same.
func (p *pair) happen(c change) {
	p.mask(p.real, c)
	old, there := p.real.core.Image.Presences(c.user).Of(c.next.Protocol, c.next.Device)
	changes := 0
	if !there && !c.next.Removed || there && old.Differs(c.next) {
		changes = 1
	}
	kept := p.real.presences(c.user)
	renewals, changed, seen := p.counterpart(c.user, p.shown(c.user, kept.With(unrevised(c.next))))
	both := max(changes, len(changed))
	before := max(0, min(seen, both)-changes)
	p.real.fill(before)
	p.real.write(c.user, c.next)
	p.real.fill(both - changes - before)
	p.other.fill(both - len(changed))
	for _, next := range slices.Concat(renewals, changed) {
		p.other.write(c.user, next)
	}
}

func unrevised(p domain.Presence) domain.Presence {
	p.Revision = 0
	return p
}

// counterpart returns what is to be written in the other world to have these presences of a user there, and with how many of the changes everything has
// happened that the viewer sees.
func (p *pair) counterpart(user domain.UserID, want domain.Presences) (renewals, changed []domain.Presence, seen int) {
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
	if p.sees(p.compared, user) == seesStatus {
		return renewals, changed, orderQuietly(have, changed)
	}
	return renewals, changed, len(changed)
}

// orderQuietly orders changes so that there is no other status of the user in between if there is none in the end. It returns with how many of them the
// status has changed for the last time.
func orderQuietly(have domain.Presences, changes []domain.Presence) (seen int) {
	type look struct {
		status domain.Status
		stale  bool
		known  bool
	}
	of := func(ps domain.Presences) look {
		unified := domain.Precedence{}.Unify(ps.At(0))
		return look{unified.Status, unified.Stale, len(ps) > 0}
	}
	for range 1000 {
		now, before := have, of(have)
		seen = 0
		for i, next := range changes {
			now = now.With(next)
			if is := of(now); is != before {
				seen, before = i+1, is
			}
		}
		if seen == 0 || before != of(have) {
			return seen
		}
		rand.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
	}
	return seen
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
	from := max(0, at-300)
	return fmt.Sprintf("%s\nis answered with\n... %s\nand if what is hidden had not been:\n... %s", asked, short(real[from:]), short(other[from:]))
}

func short(text string) string { return text[:min(len(text), 700)] }

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
