package leak_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/zarafa/presence/domain"
)

// sight is what a viewer may see of a user, as this test understands the rules.
type sight uint8

const (
	seesNothing sight = iota
	seesStatus
	seesAll
	seesInvisible // all, and through "invisible"
)

var sightNames = [...]string{seesNothing: "nothing", seesStatus: "status", seesAll: "all", seesInvisible: "invisible"}

func (s sight) String() string { return sightNames[s] }

// rule is an entry of the key visibility.
type rule struct {
	viewer, user string
	sees         sight
}

// viewer is somebody who asks.
type viewer struct {
	token        string
	principal    domain.Principal
	seeInvisible bool          // is listed in auth.see_invisible
	own          domain.UserID // a user whose states it sees, and that nobody but this test changes
}

// site is a random one.
type site struct {
	random   *rand.Rand
	host     string
	users    []domain.UserID
	groups   map[domain.UserID][]string
	rules    []rule // none: everybody sees everything
	viewers  [2]viewer
	compared *viewer // one of them
	masks    map[domain.UserID]domain.Presences
}

// groupNames are those that users are in.
var groupNames = []string{"helpdesk", "sales"}

// newSite makes the people of a site. Nobody sees anybody of the sites before, from the first on.
func newSite(first, number int, random *rand.Rand) *site {
	s := &site{random: random, host: host(number), groups: make(map[domain.UserID][]string), masks: make(map[domain.UserID]domain.Presences)}
	for _, name := range []string{"anna", "bea", "cem", "dora", "eve"} {
		user := domain.UserID(name + "@" + s.host)
		s.users = append(s.users, user)
		for _, group := range groupNames {
			if random.IntN(2) == 0 {
				s.groups[user] = append(s.groups[user], group)
			}
		}
	}
	kinds := random.Perm(5)
	for i := range s.viewers {
		s.viewers[i] = s.newViewer(kinds[i])
	}
	s.compared = &s.viewers[random.IntN(2)]
	if random.IntN(8) > 0 {
		for before := first; before < number; before++ {
			s.rules = append(s.rules, rule{"*", "*@" + host(before), seesNothing})
		}
		s.makeRules()
	}
	return s
}

func host(number int) string { return fmt.Sprintf("s%d.example.test", number) }

// newViewer makes a viewer: one of two people, a service, a service that sees who is invisible, or the bearer of a key.
func (s *site) newViewer(kind int) viewer {
	id := []string{"anna@" + s.host, "bea@" + s.host, "desk@" + s.host, s.seer(), "key:wall"}[kind]
	v := viewer{token: id, own: domain.UserID(id), principal: domain.Principal{User: domain.UserID(id), Until: domain.Timestamp(1<<63 - 1)}}
	switch kind {
	case 2, 3:
		v.principal.Service, v.principal.Any = true, true
		v.seeInvisible = kind == 3
	case 4:
		v.own = domain.UserID("marker@" + s.host)
		list, err := domain.ParseUserList([]string{"*@" + s.host})
		if err != nil {
			panic(err)
		}
		v.principal.Key = &domain.Key{Users: list, Read: true, Groups: s.groupsOf}
	}
	return v
}

func (s *site) groupsOf(user domain.UserID) []string { return s.groups[user] }

// makeRules makes up to six rules. Two come before them: nobody sees the users that make revisions agree, and a key sees the user that it waits for.
func (s *site) makeRules() {
	s.rules = append(s.rules, rule{"*", "*@hidden.test", seesNothing}, rule{"key:wall", "marker@" + s.host, seesAll})
	for range 1 + s.random.IntN(6) {
		viewers := []string{"*", "*@" + s.host, "service", "key:wall", "desk@" + s.host, s.seer(), "group:helpdesk", "group:sales", string(s.someone())}
		users := []string{"*", "*@" + s.host, "group:helpdesk", "group:sales", "self", string(s.someone()), string(s.someone()), string(s.someone())}
		r := rule{viewers[s.random.IntN(len(viewers))], users[s.random.IntN(len(users))], sight(s.random.IntN(3))}
		if r.user == "self" {
			r.sees = seesAll // there is no other rule for oneself
		}
		s.rules = append(s.rules, r)
	}
}

// everybodyElse is the group of those who are in no other, by a pattern.
const everybodyElse = "staff"

// identities has the groups as the daemon reads them.
func (s *site) identities() *domain.Identities {
	records := []domain.Identity{{User: "{name}@" + s.host, Groups: []string{everybodyElse}}}
	for user, groups := range s.groups {
		records = append(records, domain.Identity{User: string(user), Groups: groups})
	}
	table, err := domain.NewIdentities(records)
	if err != nil {
		panic(err)
	}
	return table
}

// seenGroups are the groups with members that a viewer sees.
func (s *site) seenGroups(v *viewer) (names []string) {
	for _, name := range groupNames {
		if slices.ContainsFunc(s.users, func(user domain.UserID) bool {
			return slices.Contains(s.groups[user], name) && s.sees(v, user) != seesNothing
		}) {
			names = append(names, name)
		}
	}
	if s.sees(v, domain.UserID("1@"+s.host)) != seesNothing {
		names = append(names, everybodyElse)
	}
	return names
}

// visibility makes the rules as the daemon has them.
func (s *site) visibility() *domain.Visibility {
	var rules []domain.VisibilityRule
	for _, r := range s.rules {
		rules = append(rules, domain.VisibilityRule{Viewer: r.viewer, User: r.user, Sees: r.sees.String()})
	}
	seers, err := domain.ParseUserList([]string{s.seer()})
	if err != nil {
		panic(err)
	}
	made, err := domain.NewVisibility(rules, seers)
	if err != nil {
		panic(err)
	}
	return made
}

// seer is a service in auth.see_invisible.
func (s *site) seer() string { return "seer@" + s.host }

func (s *site) someone() domain.UserID { return s.users[s.random.IntN(len(s.users))] }

// sees returns what a viewer may see of a user: the first rule that matches says it.
func (s *site) sees(v *viewer, user domain.UserID) sight {
	if v.principal.User == user {
		return seesInvisible
	}
	sees := seesAll
	if len(s.rules) > 0 {
		at := slices.IndexFunc(s.rules, func(r rule) bool { return s.matchesViewer(r.viewer, v) && s.matchesUser(r.user, user) })
		if at < 0 {
			return seesNothing
		}
		sees = s.rules[at].sees
	}
	if sees == seesAll && v.seeInvisible {
		return seesInvisible
	}
	return sees
}

func (s *site) matchesViewer(entry string, v *viewer) bool {
	switch {
	case entry == "*":
		return true
	case entry == "service":
		return v.principal.Service
	case v.principal.Key != nil:
		return entry == string(v.principal.User)
	}
	return s.matchesUser(entry, v.principal.User)
}

func (s *site) matchesUser(entry string, user domain.UserID) bool {
	if group, named := strings.CutPrefix(entry, "group:"); named {
		return slices.Contains(s.groups[user], group)
	}
	if host, everybody := strings.CutPrefix(entry, "*@"); everybody {
		return strings.HasSuffix(string(user), "@"+host)
	}
	return entry == "*" || entry == string(user)
}

// change is what happens to a user in one step.
type change struct {
	user domain.UserID
	next domain.Presence
}

// changes makes what happens next: to each user at most one thing. Whoever has ceased to be invisible is written as the expirer would write it.
func (s *site) changes(w *world) (all []change) {
	now := w.clock.Now()
	for _, i := range s.random.Perm(len(s.users)) {
		user := s.users[i]
		if user == s.viewers[0].own || user == s.viewers[1].own {
			continue
		}
		kept := w.core.Presences(user)
		at := slices.IndexFunc(kept, func(p domain.Presence) bool { return p.Invisible && p.Expired(now) })
		if at >= 0 {
			all = append(all, change{user, kept[at].At(now)})
		} else if s.random.IntN(5) < 2 {
			if next, happens := s.next(kept, now); happens {
				all = append(all, change{user, next})
			}
		}
	}
	return all
}

// next makes up what becomes of one of a user's presences.
func (s *site) next(kept domain.Presences, now domain.Timestamp) (next domain.Presence, happens bool) {
	protocol := []domain.Protocol{xmpp, spreed, board, manual, manual}[s.random.IntN(5)]
	var device domain.DeviceID
	if protocol == board && s.random.IntN(3) == 0 {
		device, _ = domain.ParseDeviceID("phone")
	}
	old, there := kept.Of(protocol, device)
	shown := domain.Shown{Status: domain.Status(s.random.IntN(4)), Message: []string{"", "hello", "in a meeting"}[s.random.IntN(3)]}
	if device != (domain.DeviceID{}) {
		shown.Message = "on the phone" // so that it does not just say what the protocol of somebody invisible does, which names no device
	}
	if s.random.IntN(4) == 0 {
		shown.Activity = domain.Activity(1 + s.random.IntN(3))
	}
	if s.random.IntN(4) == 0 {
		shown.IdleSince = now.Add(-time.Minute)
	}
	switch kind := s.random.IntN(10); {
	case kind == 0:
		return old.Remove(now), there
	case kind == 1 && there:
		return old.At(now), true // as the expirer would
	case kind == 2 && protocol == xmpp && there:
		return old.MarkStale(domain.ExpiryPolicy{After: 3 * time.Minute}, now), true
	case kind == 3 && there:
		shown = old.At(now).Shown()
	}
	policies := map[domain.Protocol]domain.ExpiryPolicy{spreed: {After: 2 * time.Minute}, manual: {Vanishes: true}}
	next = old.Observe(shown, policies[protocol], now)
	next.Invisible = false
	if protocol == manual && s.random.IntN(2) == 0 {
		next = next.HoldUntil(now.Add(time.Duration(1+s.random.IntN(8)) * time.Minute))
		if s.random.IntN(3) > 0 {
			next.Invisible = true
		}
	}
	return next, true
}

// mask notes what others see of a user from a step on: whoever has become invisible is frozen, as if every protocol had reported unavailable at that moment.
func (s *site) mask(w *world, c change) {
	kept, now := w.presences(c.user), w.clock.Now()
	old, _ := kept.Of(c.next.Protocol, c.next.Device)
	switch {
	case c.next.Protocol != manual:
	case !c.next.Invisible:
		delete(s.masks, c.user)
	case !old.Invisible:
		masked := slices.Clone(kept.At(now))
		for i := range masked {
			masked[i] = unavailable(masked[i], now)
		}
		s.masks[c.user] = masked
	}
}

// unavailable is what becomes of a presence if its protocol reports unavailable. What says just that stays as it is.
func unavailable(p domain.Presence, now domain.Timestamp) domain.Presence {
	if p.Shown() == (domain.Shown{}) && p.Expires.IsZero() && !p.Stale {
		p.Device = domain.DeviceID{}
		return p
	}
	return domain.Presence{Protocol: p.Protocol, Since: now, Updated: now}
}

// shown returns the presences of a user that the other world has for the compared viewer. kept are those of the real one.
func (s *site) shown(user domain.UserID, kept domain.Presences) domain.Presences {
	sees := s.sees(s.compared, user)
	if masked, invisible := s.masks[user]; invisible && sees != seesInvisible {
		kept = masked
	}
	switch sees {
	case seesNothing:
		return nil
	case seesStatus:
		return s.otherwise(kept)
	}
	return kept
}

// otherwise makes other presences with the same statuses: with other messages and activities, and of other times as far as nothing depends on them.
func (s *site) otherwise(kept domain.Presences) domain.Presences {
	other := slices.Clone(kept)
	for i := range other {
		other[i].Message, other[i].Activity = "another "+other[i].Message, domain.NoActivity
		if other[i].IdleSince != 0 {
			other[i].IdleSince++
		}
	}
	return other
}
