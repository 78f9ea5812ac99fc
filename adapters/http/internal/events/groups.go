package events

import (
	"cmp"
	"math"
	"slices"
	"strings"

	v1 "github.com/zarafa/presence/adapters/http/internal/v1"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// A subscriber follows a group by its name. Who is in the group is looked up when a user changes, and when states are read from the feed. When the
// members are others by another configuration, its followers are told everything anew (Hub.Regroup): so is whoever comes back and may have missed that.

// joinGroups has a subscriber follow groups. The caller holds the lock.
func (h *Hub) joinGroups(sub *subscriber, s *Subscription) {
	sub.groups = slices.Compact(slices.Sorted(slices.Values(s.Groups)))
	sub.anew = len(sub.groups) > 0 && s.Since > 0 && s.Since <= h.directory.Regrouped()
	for _, name := range sub.groups {
		t := h.groups[name]
		if t == nil {
			t = &topic{followers: make(map[*subscriber]cachedSight)}
			h.groups[name] = t
		}
		t.followers[sub] = cachedSight{}
	}
}

// leaveGroups forgets that a subscriber follows groups. The caller holds the lock.
func (h *Hub) leaveGroups(sub *subscriber) {
	for _, name := range sub.groups {
		t := h.groups[name]
		if delete(t.followers, sub); len(t.followers) == 0 {
			delete(h.groups, name)
		}
	}
}

// Regroup has the followers of some groups told every state anew, because these groups have other members now. Which members a key may ask about can depend
// on any group, so keys that follow some are told as well.
func (h *Hub) Regroup(groups []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.started || h.ctx.Err() != nil {
		return
	}
	for sub := range h.subscribers {
		follows := func(name string) bool { return slices.Contains(sub.groups, name) }
		if len(sub.groups) > 0 && (sub.by.Key != nil || slices.ContainsFunc(groups, follows)) {
			h.tellAnew(sub)
		}
	}
}

// topicsOf returns the topics that a change of a user is about. The next call uses the memory again. The caller holds the lock.
func (h *Hub) topicsOf(user domain.UserID) []*topic {
	topics := h.concerned[:0]
	for _, name := range [...]domain.UserID{everybody, user} {
		if t := h.topics[name]; t != nil {
			topics = append(topics, t)
		}
	}
	if len(h.groups) > 0 {
		for _, name := range h.directory.Groups(user) {
			if t := h.groups[name]; t != nil {
				topics = append(topics, t)
			}
		}
	}
	h.concerned = topics
	return topics
}

// isNews reports whether a subscriber has to be given a change: not if it may not ask about the user, nor for the second time because it follows the
// user in two ways.
func (sub *subscriber) isNews(user domain.UserID, revision domain.Revision) bool {
	if sub.given == revision || len(sub.groups) > 0 && !sub.by.Reads(user) {
		return false
	}
	sub.given = revision
	return true
}

// follows reports whether a subscriber, who is by, follows a user, by name or in a group.
func (h *Hub) follows(sub *subscriber, by domain.Principal, user domain.UserID) bool {
	_, listed := slices.BinarySearchFunc(sub.topics, user, func(t *topic, user domain.UserID) int { return cmp.Compare(t.user, user) })
	return listed || len(sub.groups) > 0 && by.Reads(user) &&
		slices.ContainsFunc(h.directory.Groups(user), func(name string) bool { return slices.Contains(sub.groups, name) })
}

// listed returns the users that a subscriber, who is by, follows at the moment, in order.
func (h *Hub) listed(sub *subscriber, by domain.Principal) []domain.UserID {
	users := make([]domain.UserID, 0, len(sub.topics))
	for _, t := range sub.topics {
		users = append(users, t.user)
	}
	if len(sub.groups) == 0 {
		return users
	}
	for _, name := range sub.groups {
		members, _, err := h.directory.Members(by, name, math.MaxInt-len(users), users)
		if err == nil { // else there is no such group any more
			users = members
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// notesOfGroups finds the users with something new that a subscriber with groups follows. Not all of them are members now: somebody was one
// perhaps, and is not known any more.
func (r *report) notesOfGroups() ([][]note, error) {
	if r.since == 0 {
		return r.notesOfListed()
	}
	notes := r.recent
	if !r.remembered {
		select { // see notesOfAll
		case r.hub.scans <- struct{}{}:
			defer func() { <-r.hub.scans }()
		case <-r.hub.ctx.Done():
			return nil, r.hub.ctx.Err()
		}
		var err error
		if notes, err = r.scan(); err != nil {
			return nil, err
		}
	}
	return [][]note{r.followed(notes)}, nil
}

// followed leaves out the users that the subscriber does not follow.
func (r *report) followed(notes []note) (followed []note) {
	for _, n := range notes {
		if r.hub.follows(r.sub, r.by, n.user) {
			followed = append(followed, n)
		}
	}
	return followed
}

// readGroups takes over the groups that were asked for, into memory of its own. It returns how many members they have besides the users of the subscription.
func (s *Subscription) readGroups(asked *v1.Query, directory ports.Directory) (members int, err error) {
	found, err := asked.Members(directory, s.By, nil)
	if err != nil {
		return 0, err
	}
	for _, name := range asked.Groups {
		s.Groups = append(s.Groups, strings.Clone(name))
	}
	return len(found), nil
}
