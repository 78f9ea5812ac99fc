package app

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var _ ports.Directory = (*Directory)(nil)

// Directory implements ports.Directory.
type Directory struct {
	*Identities
	feed *Feed

	building sync.Mutex // held while the users are sought that are in groups by patterns
	index    atomic.Pointer[patternIndex]

	regrouped atomic.Uint64 // a domain.Revision: see Regroup
}

// NewDirectory makes the use case, which sees what a feed tells.
func NewDirectory(feed *Feed, identities *Identities) *Directory {
	d := &Directory{Identities: identities, feed: feed}
	d.regrouped.Store(math.MaxUint64) // until Regroup is called nobody knows
	feed.image.OnArrival(func(user domain.UserID) {
		if index := d.index.Load(); index != nil {
			index.add(user)
		}
	})
	return d
}

// List implements ports.Directory.
func (d *Directory) List(ctx context.Context, by domain.Principal, most int) ([]ports.Group, error) {
	table := d.Table()
	var groups []ports.Group
	for _, name := range table.Groups() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		members, more, there := d.members(table, by, name, most, nil)
		if there {
			groups = append(groups, ports.Group{Name: name, Members: len(members), More: more})
		}
	}
	return groups, nil
}

// Members implements ports.Directory.
func (d *Directory) Members(by domain.Principal, group string, most int, into []domain.UserID) ([]domain.UserID, bool, error) {
	members, more, there := d.members(d.Table(), by, group, most, into)
	if !there {
		return into, false, domain.UnknownGroup(group)
	}
	return members, more, nil
}

// members appends the members of a group in a table, and reports whether the group is there for whoever asks. That must not depend on who is known: so
// a pattern is seen by those who see its example.
func (d *Directory) members(table *domain.Identities, by domain.Principal, name string, most int, into []domain.UserID,
) (members []domain.UserID, more, there bool) {
	group := table.Group(name)
	if group == nil {
		return into, false, false
	}
	sees := func(user domain.UserID) bool { return d.sees(by, user) }
	there = slices.ContainsFunc(group.Patterns, sees)
	members = into
	add := func(user domain.UserID) (enough bool) {
		members = append(members, user)
		return len(members)-len(into) > most
	}
	for _, user := range group.Users {
		if sees(user) && add(user) {
			break
		}
	}
	if len(group.Patterns) > 0 {
		for _, user := range d.inPatterns(table, name) {
			if sees(user) && d.knows(by, user) && add(user) {
				break
			}
		}
	}
	found := members[len(into):]
	slices.Sort(found)
	return members[:len(into)+min(len(found), most)], len(found) > most, there || len(found) > 0
}

// Users implements ports.Directory.
func (d *Directory) Users(ctx context.Context, by domain.Principal, after domain.UserID, most int, into []domain.UserID) ([]domain.UserID, bool, error) {
	var last domain.UserID // whoever comes after it is not among the first; empty: nobody is known to be
	found := make([]domain.UserID, 0, 2*(most+1))
	visited := 0
	d.feed.image.Each(func(user domain.UserID, _ domain.Presences) bool {
		if visited++; often(visited) && ctx.Err() != nil {
			return false
		}
		if user <= after || last != "" && user > last || !d.sees(by, user) || !d.knows(by, user) {
			return true
		}
		if found = append(found, user); len(found) == cap(found) {
			slices.Sort(found)
			found = found[:most+1]
			last = found[most]
		}
		return true
	})
	if err := ctx.Err(); err != nil {
		return into, false, err
	}
	slices.Sort(found)
	return append(into, found[:min(len(found), most)]...), len(found) > most, nil
}

// Regroup has those told all members who go on from a revision of before, because the groups have others now and no revision says so: after the start,
// and after each change of the groups.
func (d *Directory) Regroup() { d.regrouped.Store(uint64(d.feed.Revision())) }

// Regrouped implements ports.Directory.
func (d *Directory) Regrouped() domain.Revision { return domain.Revision(d.regrouped.Load()) }

// sees reports whether a principal may ask about a user, and sees anything.
func (d *Directory) sees(by domain.Principal, user domain.UserID) bool {
	return by.Reads(user) && d.feed.Sight(by, user) > domain.SeesNothing
}

// knows reports whether any protocol knows a user, as a principal sees it who sees anything.
func (d *Directory) knows(by domain.Principal, user domain.UserID) bool {
	state, _ := d.feed.state(user, d.feed.clock.Now())
	if state.Others != nil && d.feed.Sight(by, user) != domain.SeesInvisible {
		return len(state.Others.Presences) > 0
	}
	return len(state.Presences) > 0
}

// inPatterns returns the users who are in a group by a pattern of a table and may be known.
func (d *Directory) inPatterns(table *domain.Identities, group string) []domain.UserID {
	d.building.Lock()
	defer d.building.Unlock()
	index := d.index.Load()
	if index == nil || index.table != table {
		index = &patternIndex{table: table, image: d.feed.image, members: make(map[string]map[domain.UserID]struct{})}
		d.index.Store(index) // first, so that nobody is missed who comes meanwhile
		d.feed.image.Each(func(user domain.UserID, _ domain.Presences) bool {
			index.add(user)
			return true
		})
	}
	return index.of(group)
}

// patternIndex has the users who are in groups by the patterns of a table. It grows with those who become known.
type patternIndex struct {
	table *domain.Identities
	image *image.Image

	mu      sync.Mutex
	members map[string]map[domain.UserID]struct{}
}

// add takes a user who has become known.
func (x *patternIndex) add(user domain.UserID) {
	groups := x.table.InPattern(user)
	if len(groups) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, group := range groups {
		if x.members[group] == nil {
			x.members[group] = make(map[domain.UserID]struct{})
		}
		x.members[group][user] = struct{}{}
	}
}

// of lists the members of a group, and forgets those who are not known any more. Whoever comes back meanwhile is added afterwards.
func (x *patternIndex) of(group string) []domain.UserID {
	x.mu.Lock()
	defer x.mu.Unlock()
	members := x.members[group]
	maps.DeleteFunc(members, func(user domain.UserID, _ struct{}) bool { return x.image.User(user) == nil })
	return slices.AppendSeq(make([]domain.UserID, 0, len(members)), maps.Keys(members))
}
