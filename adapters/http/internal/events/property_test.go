package events_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http/internal/events"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
)

// TestWhatReadersHoldIsWhatIsStored has the presences of some users change at random, also by the expirer, while readers come, go, come back,
// and stop reading for long; few changes are remembered, or many; the store forgets, and the feed breaks. Each reader checks
// that ids ascend, that no state is older than one it has, and, when it is told that it knows everything up to the last revision, that this
// is what it sees of what is stored. Some worlds have rules of visibility, which change, and invisible users.
func TestWhatReadersHoldIsWhatIsStored(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, recent := range []int{16, 1 << 12} {
		for _, rules := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d are remembered, rules %v", recent, rules), func(t *testing.T) {
				p := &property{
					world: newWorld(t, func(s *events.Settings) { s.Recent = recent }), rules: rules, changing: make(chan struct{}), quiet: make(chan struct{}),
				}
				groups := make(map[domain.UserID][]string)
				for i := range 60 {
					p.users = append(p.users, domain.UserID(fmt.Sprintf("user%02d@example.test", i)))
					groups[p.users[i]] = []string{[]string{"helpdesk", "sales", "guests"}[i%3]}
				}
				p.core.Groups.Set(groups)
				p.regroup(rand.New(rand.NewPCG(seed, 1<<33)))
				p.run(seed)
			})
		}
	}
}

type property struct {
	*world
	users    []domain.UserID
	rules    bool          // some users are hidden from some readers
	changing chan struct{} // is closed when nobody changes anything any more
	quiet    chan struct{} // is closed when all has expired that will
	last     domain.Revision
}

func (p *property) run(seed uint64) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		app.NewExpirer(p.core.Core, p.core.Writer, clock.New(), slog.New(slog.DiscardHandler)).Run(ctx)
	})
	var readers sync.WaitGroup
	for i := range 24 {
		readers.Go(func() { p.read(i, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	random := rand.New(rand.NewPCG(seed, 1<<32))
	begin := time.Now()
	for end := begin.Add(1500 * time.Millisecond); time.Now().Before(end); {
		p.changeSomething(random)
		if p.rules && random.IntN(100) == 0 && time.Since(begin) < 700*time.Millisecond {
			p.changeRules(random) // not for long: whoever is told everything anew holds the right thing, whatever was wrong before
		}
	}
	p.set(p.users[0], xmpp, domain.Busy, "whoever is told this was told the last groups", 0)
	p.set(p.users[0], xmpp, domain.Away, "", 0)
	close(p.changing)
	p.eventually("all has expired that will", func() bool {
		pending := false
		p.core.Each(func(_ domain.UserID, presences domain.Presences) bool {
			for _, presence := range presences {
				pending = pending || presence.Expires != 0
			}
			return !pending
		})
		return !pending
	})
	p.last = p.core.Feed.Revision()
	close(p.quiet)
	readers.Wait()
	cancel()
	all.Wait()
}

// changeSomething makes one change, or a burst of them.
func (p *property) changeSomething(random *rand.Rand) {
	n := 1
	if random.IntN(20) == 0 {
		n = random.IntN(300)
	}
	for range n {
		user := p.users[min(random.IntN(len(p.users)), random.IntN(len(p.users)))] // some more often than others
		protocol := []domain.Protocol{spreed, xmpp, domain.MustProtocol("manual")}[random.IntN(3)]
		switch random.IntN(10) {
		case 0, 1:
			p.remove(user, protocol)
		case 2, 3:
			p.set(user, protocol, domain.Status(random.IntN(4)), "soon over", time.Duration(1+random.IntN(300))*time.Millisecond)
		case 4:
			p.hide(user, time.Duration(1+random.IntN(300))*time.Millisecond)
		default:
			p.set(user, protocol, domain.Status(random.IntN(4)), strings.Repeat("x", random.IntN(domain.MaxMessage)), 0)
		}
	}
	switch random.IntN(400) {
	case 0:
		p.compact()
	case 1, 2:
		p.resume()
	case 3, 4:
		p.regroup(random)
	}
	time.Sleep(time.Duration(random.IntN(2000)) * time.Microsecond)
}

// hide makes a user invisible for a while.
func (p *property) hide(user domain.UserID, holds time.Duration) {
	if !p.rules {
		return
	}
	p.core.Change(p.t, user, domain.MustProtocol("manual"), func(old domain.Presence, now domain.Timestamp) domain.Presence {
		next := old.Observe(domain.Shown{Status: domain.Busy}, domain.ExpiryPolicy{Vanishes: true}, now).HoldUntil(now.Add(holds))
		next.Invisible = true
		return next
	})
}

// changeRules replaces the rules of visibility.
func (p *property) changeRules(random *rand.Rand) {
	var rules []domain.VisibilityRule
	for range 1 + random.IntN(3) {
		rules = append(rules, domain.VisibilityRule{
			Viewer: []string{"*", "service", "group:sales", "group:guests", string(p.users[1])}[random.IntN(5)],
			User:   []string{"*", "group:helpdesk", "group:sales", "group:guests", string(p.users[0])}[random.IntN(5)],
			Sees:   []string{"nothing", "status", "all"}[random.IntN(3)],
		})
	}
	rules = append(rules, domain.VisibilityRule{Viewer: "*", User: "group:helpdesk", Sees: "status"}, domain.VisibilityRule{Viewer: "*", User: "*", Sees: "all"})
	seers, err := domain.ParseUserList([]string{"reader00@example.test"})
	if err != nil {
		p.t.Fatal(err)
	}
	visibility, err := domain.NewVisibility(rules, seers)
	if err != nil {
		p.t.Fatal(err)
	}
	p.see(visibility)
}

// reader is who a reader is: a service, if it reads of all, or one of the users.
func (p *property) reader(number int, all bool) domain.Principal {
	by := domain.Principal{User: p.users[number], Until: clock.New().Now().Add(time.Hour)}
	if all {
		by.User, by.Service = domain.UserID(fmt.Sprintf("reader%02d@example.test", number)), true
	}
	return by
}

// regroup has other users be in the groups listed and open: in the one by records of their own, in the other by a pattern.
func (p *property) regroup(random *rand.Rand) {
	records := []domain.Identity{{User: "user{number}@example.test", Groups: [][]string{{"open"}, {"open", "listed"}, {"listed"}}[random.IntN(3)]}}
	for _, user := range p.users {
		if random.IntN(3) == 0 {
			records = append(records, domain.Identity{User: string(user), Groups: [][]string{{"listed"}, nil}[random.IntN(2)]})
		}
	}
	table, err := domain.NewIdentities(records)
	if err != nil {
		p.t.Error(err)
	}
	before := p.core.Identities.Table()
	p.core.Identities.Replace(table)
	p.core.Directory.Regroup()
	p.hub.Regroup(table.Regrouped(before))
}

// members returns who is in groups, which may be gone.
func (p *property) members(by domain.Principal, groups ...string) (users []domain.UserID) {
	for _, group := range groups {
		users, _, _ = p.core.Directory.Members(by, group, len(p.users), users)
	}
	return users
}

// read is one reader, who comes and goes until nothing changes any more.
func (p *property) read(number int, random *rand.Rand) {
	mine, all := p.users, number%3 == 0
	by := p.reader(number, all)
	groups := [][]string{nil, {"listed"}, {"open"}, {"listed", "open"}}[number%4]
	if !all {
		mine = nil
		for _, i := range random.Perm(len(p.users))[:1+random.IntN(len(p.users))] {
			mine = append(mine, p.users[i])
		}
	}
	var before *reader
	for {
		s := p.subscription(before, mine, groups, all)
		s.By = by
		r := p.subscribe(s, random.IntN(2) == 0)
		if before != nil {
			r.held, r.id, r.told = before.held, before.id, 0
		}
		before = r
		end := p.stay(r, random)
		_ = r.Close()
		if end {
			break
		}
	}
	if !all {
		mine = append(mine, p.members(by, groups...)...)
	}
	want := p.storedFor(by, mine...)
	if all || groups != nil { // a subscriber to everybody, or to a group, need not know of users who have, as it sees them, no presences
		p.leaveOut(before.held, mine)
		for user, state := range want {
			if _, known := before.held[user]; !known && unknown(state) {
				before.held[user] = state
			}
		}
	}
	if !maps.Equal(before.held, want) {
		for user, state := range want {
			if before.held[user] != state {
				p.t.Errorf("reader %d (of all: %v) holds %+v, stored is %+v", number, all, before.held[user], state)
			}
		}
	}
}

// unknown reports whether a state is that of an unknown user, or of one who has been unavailable for long.
func unknown(state held) bool {
	return strings.Contains(state.document, `"reason":"unknown"`) && strings.Contains(state.document, `"status":"unavailable"`)
}

// leaveOut takes out of what a reader holds those users without presences who are not among the given ones: they were in a group, and are not known any more.
func (p *property) leaveOut(from map[domain.UserID]held, but []domain.UserID) {
	maps.DeleteFunc(from, func(user domain.UserID, state held) bool {
		return !slices.Contains(but, user) && unknown(state)
	})
}

// subscription is what a reader asks for who comes back with what it had before.
func (p *property) subscription(before *reader, users []domain.UserID, groups []string, all bool) events.Subscription {
	s := events.Subscription{All: all}
	if !all {
		s.Users, s.Groups = users, groups
	}
	if before != nil {
		s.Since = before.id
	}
	return s
}

// stay reads for a while, and reports whether everything has been told that ever will.
func (p *property) stay(r *reader, random *rand.Rand) (end bool) {
	leave := time.Now().Add(time.Duration(random.IntN(600)) * time.Millisecond)
	for {
		select {
		case <-p.quiet:
			_ = r.SetReadDeadline(time.Now().Add(patience))
			if r.id >= p.last {
				return true
			}
		case <-p.changing:
			_ = r.SetReadDeadline(time.Now().Add(patience))
		default:
			if time.Now().After(leave) {
				return false
			}
			if random.IntN(100) == 0 { // stops reading for long
				time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			}
			_ = r.SetReadDeadline(leave.Add(time.Millisecond))
		}
		if _, err := r.take(); errors.Is(err, errBroken) {
			p.t.Errorf("%v", err)
			return true
		} else if err != nil {
			return false
		}
	}
}
