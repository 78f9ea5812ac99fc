package caldav

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/zarafa/presence/adapters/caldav/internal/ical"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// longestSleep is how long the timeline sleeps at most: the system's clock may be set.
const longestSleep = 30 * time.Second

// run is one Run. What it has belongs to the goroutine of loop; the readers get what they need with each calendar.
type run struct {
	*Source
	observer ports.Observer
	client   *client
	view     view
	names    map[domain.UserID][]string // of calendars, by user

	people  map[domain.UserID]*person
	changes queue[*person]   // by when what they show changes
	polls   queue[*calendar] // by when they are to be looked at
	listing *calendar        // nobody's: when it is its turn in polls, the server is asked who has calendars; nil without a server

	jobs    chan job
	results chan result
	flying  int

	untried   int // calendars that this Run has not looked at yet
	connected bool
	synced    bool

	server server
	age    age
}

// server is how the CalDAV server is doing.
type server struct {
	heardAt  domain.Timestamp // when anything was last answered
	away     bool
	failures int
	notUntil domain.Timestamp // it is left alone
	said     error            // the last fault
	trouble  domain.Timestamp // when it was last away, or asked for a pause
	slowSaid domain.Timestamp // when it was last said that it is slow
}

type job struct {
	calendar *calendar
	copy     calendar // as it is now: the reader changes nothing
	reader   calendarReader
}

type result struct {
	job
	copies []collection
	names  []string // of homes
	err    error
}

// run connects, and goes on until ctx ends or nothing can be reached.
func (s *Source) run(ctx context.Context, observer ports.Observer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &run{
		Source: s, observer: observer, client: s.newClient(ctx), people: make(map[domain.UserID]*person),
		view: view{statuses: s.statuses, message: s.config.Message, staleAfter: s.config.StaleAfter, keep: s.config.Keep},
		jobs: make(chan job, s.limits.parallel), results: make(chan result, s.limits.parallel),
		server: server{heardAt: s.clock.Now()},
	}
	defer r.client.close()
	if s.url != nil {
		if err := r.client.login(ctx); err != nil {
			return r.connecting(err)
		}
		r.connect()
		r.listing = &calendar{home: s.url}
		r.untried++
		r.polls.set(r.listing, s.clock.Now())
	}
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	for range s.limits.parallel {
		readers.Go(func() { r.read(ctx) })
	}
	return r.loop(ctx)
}

// connecting makes the error of a server that lets nobody in.
func (r *run) connecting(err error) error {
	return fmt.Errorf("connecting to the CalDAV server %s: %w", r.url.Host, err)
}

func (r *run) connect() {
	if !r.connected {
		r.connected = true
		r.observer.Connected()
		r.tellAll()
	}
}

// read looks at calendars until ctx ends.
func (r *run) read(ctx context.Context) {
	for {
		select {
		case j := <-r.jobs:
			done := result{job: j}
			if j.calendar == r.listing {
				done.names, done.err = r.client.listHomes(ctx)
			} else {
				done.copies, done.err = j.reader.fetch(ctx, &j.copy)
			}
			select {
			case r.results <- done:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// loop does everything that the calendars and the time ask for.
func (r *run) loop(ctx context.Context) error {
	changed := r.identities.Changed()
	r.follow()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := r.syncIfAllTried(); err != nil {
			return err
		}
		timer.Reset(r.sleep())
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-changed:
			changed = r.identities.Changed()
			r.follow()
		case got := <-r.results:
			if err := r.take(got); err != nil {
				return err
			}
		}
		r.tellAge()
		r.tellChanges()
		r.dispatch()
	}
}

// syncIfAllTried says that everybody has been reported, once all calendars have been looked at. Without a CalDAV server it is an error if none could be
// read.
func (r *run) syncIfAllTried() error {
	if r.synced || r.untried > 0 {
		return nil
	}
	if !r.connected {
		return r.server.said
	}
	r.synced = true
	r.spread()
	r.observer.Synced()
	if len(r.people) == 0 {
		r.log.Warn("nobody has a calendar: give users calendar names in identities, or set calendar.ics")
	}
	return nil
}

// sleep returns how long there is nothing to do, but for results.
func (r *run) sleep() time.Duration {
	now := r.clock.Now()
	until := now.Add(longestSleep)
	if r.age.due && r.synced {
		until = min(until, r.age.told.Add(tellAgeEvery))
	}
	if _, at, found := r.changes.first(); found {
		until = min(until, at)
	}
	if _, at, found := r.polls.first(); found && r.flying < r.limits.parallel {
		until = min(until, max(at, now))
	}
	return max(time.Duration(until-now), 0)
}

// follow takes over who has calendars now. Users without one are forgotten. It waits until the server has been asked who has calendars.
func (r *run) follow() {
	if r.listing != nil && !r.listing.tried {
		return
	}
	homes := r.homeNames()
	r.names = make(map[domain.UserID][]string)
	for _, name := range homes {
		r.names[name.User] = append(r.names[name.User], name.Text)
	}
	wanted := r.wanted(homes)
	for key, c := range r.calendars {
		if wanted[key] == nil || wanted[key].user != c.user {
			r.drop(c)
			delete(r.calendars, key)
		}
	}
	now := r.clock.Now()
	for key, c := range wanted {
		known := r.calendars[key]
		if known != nil && r.has(known) && known.zone == c.zone {
			continue
		}
		if known != nil { // of an earlier Run, or it is read anew
			r.drop(known)
			c.inherit(known)
		}
		r.calendars[key] = c
		r.add(c, now)
	}
	for _, p := range r.people {
		if len(p.calendars) == 0 {
			r.changes.remove(p)
			delete(r.people, p.user)
			r.observer.Forget(p.user)
		} else if r.connected {
			r.tell(p, now)
		}
	}
}

// add begins to look at a calendar.
func (r *run) add(c *calendar, now domain.Timestamp) {
	p := r.people[c.user]
	if p == nil {
		p = &person{user: c.user}
		r.people[c.user] = p
	}
	p.calendars = append(p.calendars, c)
	c.person = p
	r.untried++
	r.polls.set(c, now)
}

// has reports whether this Run looks at a calendar. An earlier Run has left others.
func (r *run) has(c *calendar) bool { return c.person != nil && r.people[c.user] == c.person }

// drop stops looking at a calendar.
func (r *run) drop(c *calendar) {
	if !r.has(c) {
		return
	}
	r.polls.remove(c)
	if !c.tried {
		c.tried = true
		r.untried--
	}
	for i, other := range c.person.calendars {
		if other == c {
			c.person.calendars = append(c.person.calendars[:i], c.person.calendars[i+1:]...)
			break
		}
	}
}

// tell reports what a person shows now, if that is something else, and notes when it changes.
func (r *run) tell(p *person, now domain.Timestamp) {
	report, next := r.view.says(p, now)
	if next == 0 {
		r.changes.remove(p)
	} else {
		r.changes.set(p, next)
	}
	if report == p.told || report.Status == domain.Unavailable && p.told.Status == domain.Unavailable {
		return
	}
	p.told = report
	r.observer.Report(report)
}

// tellChanges reports everybody whose meeting begins or ends now.
func (r *run) tellChanges() {
	if !r.connected {
		return
	}
	for now := r.clock.Now(); ; {
		p, at, found := r.changes.first()
		if !found || at > now {
			return
		}
		r.tell(p, now)
	}
}

// tellAll reports everybody anew: what counts as a copy has changed.
func (r *run) tellAll() {
	now := r.clock.Now()
	for _, p := range r.people {
		r.tell(p, now)
	}
}

// dispatch gives calendars whose turn it is to the readers.
func (r *run) dispatch() {
	now := r.clock.Now()
	for r.flying < r.limits.parallel {
		c, at, found := r.polls.first()
		if !found || at > now {
			return
		}
		if c.home != nil && (now < r.server.notUntil || r.server.away && r.flying > 0) {
			r.polls.set(c, max(r.server.notUntil, now.Add(r.limits.firstRetry)))
			continue
		}
		r.polls.remove(c)
		r.flying++
		r.jobs <- job{c, *c, r.reader(c, now)}
	}
}

// reader says how a calendar is to be read.
func (r *run) reader(c *calendar, now domain.Timestamp) calendarReader {
	addresses := []string{string(c.user)}
	for _, name := range r.names[c.user] {
		if strings.Contains(name, "@") {
			addresses = append(addresses, name)
		}
	}
	ahead := r.config.Keep + 2*r.limits.readAgain
	return calendarReader{r.client, ical.Options{
		From: now.Time(), To: now.Time().Add(ahead), Zone: c.zone, Addresses: addresses,
		Tentative: r.config.Tentative == TentativeBusy, Titles: r.config.Message == MessageTitle,
	}, now}
}

// spread lets the calendars have their turn one after the other from now on.
func (r *run) spread() {
	now, each := r.clock.Now(), r.config.Refresh/time.Duration(max(len(r.calendars), 1))
	at := now.Add(r.config.Refresh)
	for _, c := range r.calendars {
		if c.index > 0 {
			r.polls.set(c, at)
		}
		at = max(at.Add(-each), now)
	}
}

// keep keeps the copies of a calendar that was read, unless there is no room for its user.
func (r *run) keep(c *calendar, got result, now domain.Timestamp) {
	r.connect()
	r.sayIfSlow(c, now)
	c.copies, c.hasCopy, c.asOf, c.failing, c.refused, c.failures = got.copies, true, got.reader.now, false, false, 0
	if c.crowdedOut = !r.observer.Known(c.user); c.crowdedOut {
		c.copies, c.hasCopy = nil, false
	}
}

// take notes what a reader has found.
func (r *run) take(got result) error {
	r.flying--
	r.age.due = true
	c, now := got.calendar, r.clock.Now()
	if r.calendars[c.key] != c && c != r.listing {
		return nil // it was dropped meanwhile
	}
	var wait waitError
	switch {
	case errors.As(got.err, &wait):
		r.pause(c, now, wait.pause)
		return nil
	case errors.Is(got.err, ports.ErrRejected) && c.home != nil:
		return r.connecting(got.err)
	case c == r.listing:
		r.takeHomes(got, now)
		return nil
	case errors.Is(got.err, errAway) && c.home != nil:
		return r.lose(c, now, got.err)
	}
	if c.home != nil {
		r.hear(now)
	}
	switch {
	case got.err == nil:
		r.keep(c, got, now)
	case errors.Is(got.err, errGone), errors.Is(got.err, ports.ErrRejected): // what was there may no longer be seen
		r.refuse(c, got.err)
	default:
		r.fail(c, got.err)
	}
	if !c.tried {
		c.tried = true
		r.untried--
	}
	again := r.config.Refresh << min(c.failures, 5)
	if c.crowdedOut {
		again = max(again, r.limits.listAgain)
	}
	r.polls.set(c, now.Add(again-again/20+rand.N(again/10+1)))
	if r.connected {
		r.tell(c.person, now)
	}
	return r.lostICS(now)
}
