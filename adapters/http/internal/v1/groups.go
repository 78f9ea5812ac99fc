package v1

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"
	"github.com/minio/highwayhash"

	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// GetGroups answers with the names of all groups, and how many members they have.
func (a *API) GetGroups(c *fiber.Ctx) error {
	by, err := Admit(c, a.tokens)
	if err != nil {
		return err
	}
	groups, err := a.directory.List(conn.Context(a.ctx, c.Context()), by, MaxUsers)
	if err != nil {
		return err
	}
	b := pool.Get().(*buffers)
	b.body = append(b.body[:0], `{"groups":[`...)
	for i := range groups {
		if i > 0 {
			b.body = append(b.body, ',')
		}
		b.body = appendGroup(b.body, &groups[i])
	}
	b.body = append(b.body, "]}"...)
	send(c.Context(), b, len(b.body), highwayhash.Sum64(b.body, tagKey[:]))
	return nil
}

func appendGroup(dst []byte, group *ports.Group) []byte {
	dst = respond.AppendString(append(dst, `{"group":`...), group.Name)
	if group.More {
		return append(dst, `,"members":null}`...)
	}
	dst = strconv.AppendInt(append(dst, `,"members":`...), int64(group.Members), 10)
	return append(dst, '}')
}

// GetGroup answers with how many members of a group there are, and how many have each status.
func (a *API) GetGroup(c *fiber.Ctx) error {
	by, err := Admit(c, a.tokens)
	if err != nil {
		return err
	}
	name, err := parameter(c, "group")
	if err != nil {
		return err
	}
	b := pool.Get().(*buffers)
	b.asked.Groups = append(b.asked.Groups[:0], name)
	if err = b.addMembers(a.directory, by); err == nil {
		b.states, _, err = a.feed.States(by, b.asked.Users, b.states[:0])
	}
	if err != nil {
		b.Release()
		return problem.Locate(err, InURL)
	}
	var with [domain.Busy + 1]int
	for i := range b.states {
		with[b.states[i].Unified.Status]++
	}
	b.body = respond.AppendString(append(b.body[:0], `{"group":`...), name)
	b.body = strconv.AppendInt(append(b.body, `,"members":`...), int64(len(b.states)), 10)
	b.body = append(b.body, `,"statuses":{`...)
	for i, status := range [...]domain.Status{domain.Available, domain.Busy, domain.Away, domain.Unavailable} {
		if i > 0 {
			b.body = append(b.body, ',')
		}
		b.body = append(append(append(b.body, '"'), status.String()...), `":`...)
		b.body = strconv.AppendInt(b.body, int64(with[status]), 10)
	}
	b.body = append(b.body, "}}"...)
	send(c.Context(), b, len(b.body), highwayhash.Sum64(b.body, tagKey[:]))
	return nil
}

// addMembers adds the members of the groups that were asked for to the users.
func (b *buffers) addMembers(directory ports.Directory, by domain.Principal) (err error) {
	b.members, err = b.asked.Members(directory, by, b.members[:0])
	for _, user := range b.members {
		b.asked.Users = append(b.asked.Users, string(user))
	}
	return err
}

// Members appends to into the members of the groups that were asked for, in order, each once, without the users who were asked for by their ids. A
// group counts with all its members where it is bounded how many users one may ask for. The error names every group that there is not.
func (q *Query) Members(directory ports.Directory, by domain.Principal, into []domain.UserID) ([]domain.UserID, error) {
	if len(q.Groups) == 0 {
		return into, nil
	}
	members := into
	var problems domain.Problems
	for i, name := range q.Groups {
		room := MaxUsers - len(q.Users) - (len(members) - len(into))
		found, more, err := directory.Members(by, name, room, members)
		if err != nil {
			problems = append(problems, domain.Problem{Index: i, Field: domain.FieldGroup, Err: err})
			continue
		}
		if more {
			return into, &problem.Error{Kind: problem.ErrTooMany, Detail: fmt.Sprintf("the users and the members of the groups are more than the %d that one request may be about", MaxUsers)}
		}
		members = found
	}
	if len(problems) > 0 {
		return into, problems
	}
	named := make(map[domain.UserID]bool, len(q.Users))
	for _, id := range q.Users {
		user, _ := domain.ParseUserID(id) // who is malformed is found later
		named[user] = true
	}
	found := members[len(into):]
	slices.Sort(found)
	found = slices.DeleteFunc(slices.Compact(found), func(user domain.UserID) bool { return named[user] })
	return members[:len(into)+len(found)], nil
}
