package caldav

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

const homesRequest = `<?xml version="1.0" encoding="utf-8"?><d:propfind xmlns:d="DAV:"><d:prop><d:resourcetype/></d:prop></d:propfind>`

// address returns the address of a path of the CalDAV server. {user} in it becomes name, which cannot lead to another folder.
func (s *Source) address(path, name string) *url.URL {
	address := *s.url
	escaped := (&url.URL{Path: path}).EscapedPath()
	address.Path += strings.Replace(path, userPlaceholder, name, 1)
	address.RawPath = s.url.EscapedPath() + strings.Replace(escaped, url.PathEscape(userPlaceholder), url.PathEscape(name), 1)
	return &address
}

// splitHomes splits calendar.homes: the collection that has the homes of all users, and what a member's name has before and after that of the user.
func splitHomes(homes string) (parent, before, after string) {
	at := strings.Index(homes, userPlaceholder)
	slash := strings.LastIndexByte(homes[:at], '/') + 1
	after, _, _ = strings.Cut(homes[at+len(userPlaceholder):], "/")
	return homes[:slash], homes[slash:at], after
}

// listHomes returns the calendar names of everybody who has a home, in order. Not every server tells that.
func (c *client) listHomes(ctx context.Context) (names []string, err error) {
	path, before, after := splitHomes(c.source.config.Homes)
	parent := c.source.address(path, "")
	listed, err := c.ask(ctx, "PROPFIND", parent, "1", homesRequest)
	if errors.Is(err, ports.ErrRejected) && c.login(ctx) == nil { // the account is right, and has no right to see this
		err = errGone
	}
	if err != nil {
		return nil, err
	}
	for i := range listed.Responses {
		address, ok := below(parent, listed.Responses[i].Href)
		if !ok || listed.Responses[i].props().Type.Collection == nil {
			continue
		}
		name, inParent := strings.CutPrefix(address.Path, parent.Path)
		name, begins := strings.CutPrefix(strings.TrimSuffix(name, "/"), before)
		name, ends := strings.CutSuffix(name, after)
		if inParent && begins && ends && name != "" && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// homeNames lists who has which home, as the server spells it: by identities, and of the homes that the server has listed those that are somebody's by a
// pattern, or by the user's id.
func (s *Source) homeNames() []domain.Name {
	if s.url == nil {
		return nil
	}
	found := make(map[string]string, len(s.found))
	for _, text := range s.found {
		found[strings.ToLower(text)] = text
	}
	all := slices.Clone(s.identities.Names(Protocol))
	for i := range all {
		key := strings.ToLower(all[i].Text)
		if spelled := found[key]; spelled != "" && !s.hasFound(all[i].Text) {
			all[i].Text = spelled
		}
		delete(found, key)
	}
	for _, text := range slices.Sorted(maps.Values(found)) {
		if user, known := s.identities.User(Protocol, text); known {
			all = append(all, domain.Name{Text: text, User: user})
		}
	}
	return all
}

// hasFound reports whether the server has listed a home of exactly this name.
func (s *Source) hasFound(name string) bool {
	_, found := slices.BinarySearch(s.found, name)
	return found
}

// takeHomes takes the list of homes. Until the server lists them again, its last list counts. Some servers have too many homes to list them in time, or
// forbid it: that says nothing about the calendars.
func (r *run) takeHomes(got result, now domain.Timestamp) {
	first := !r.listing.tried
	if first {
		r.listing.tried = true
		r.untried--
	}
	r.polls.set(r.listing, now.Add(max(r.limits.listAgain, r.config.Refresh)))
	changed := got.err == nil && !slices.Equal(got.names, r.found)
	switch {
	case changed:
		r.found = got.names
	case got.err != nil && !r.saidUnlisted:
		r.saidUnlisted = true
		r.log.Info("the CalDAV server does not list who has calendars: users who have a calendar name by a pattern alone are not looked at", "err", got.err)
	}
	if first || changed {
		r.follow()
	}
}
