package events

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/zarafa/presence/adapters/http/internal/body"
	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/adapters/http/internal/respond"
	v1 "github.com/zarafa/presence/adapters/http/internal/v1"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// API has the handlers that begin a stream. They may be called concurrently.
type API struct {
	hub    *Hub
	bodies *body.Reader
	quotas *quotas
	tokens ports.Tokens
}

// NewAPI makes the handlers. Each user has the quota, for all its streams.
func NewAPI(hub *Hub, bodies *body.Reader, quota Quota, tokens ports.Tokens) *API {
	return &API{hub: hub, bodies: bodies, quotas: newQuotas(quota), tokens: tokens}
}

// Configure changes the quota.
func (a *API) Configure(quota Quota) { a.quotas.set(quota) }

// Get begins a stream about the users and groups that the URL names.
func (a *API) Get(c *fiber.Ctx) error {
	by, err := v1.Authenticate(c, a.tokens)
	if err != nil {
		return err
	}
	var asked v1.Query
	if err := asked.ReadURL(c); err != nil {
		return err
	}
	return a.begin(c, &asked, by, v1.InURL)
}

// Post begins a stream about the users and groups that the body names.
func (a *API) Post(c *fiber.Ctx) error {
	by, err := v1.Admit(c, a.tokens)
	if err != nil {
		return err
	}
	var text body.Body
	defer text.Release()
	if err := a.bodies.Read(c.Context(), &text); err != nil {
		return err
	}
	var asked v1.Query
	if err := asked.ReadBody(text.Text); err != nil {
		return err
	}
	return a.begin(c, &asked, by, v1.InUsers)
}

// maxSpellings is under how many ids a client is told of a user at most.
const maxSpellings = 8

// note notes how a user was asked for, if the id can be spelt in several ways.
func (s Spellings) note(user domain.UserID, lower string) {
	usual := lower == string(user) && !strings.ContainsFunc(lower, func(r rune) bool { return r >= utf8.RuneSelf })
	if known := s[user]; !usual && len(known) < maxSpellings && !slices.Contains(known, lower) {
		s[user] = append(known, strings.Clone(lower))
	}
}

// subscribe returns what was asked for, in memory of its own.
func subscribe(asked *v1.Query, by domain.Principal) (*Subscription, error) {
	if !asked.Named {
		if err := by.MayWatchAll(); err != nil {
			return nil, err
		}
		return &Subscription{All: true, Since: asked.Since, By: by}, nil
	}
	users := make([]domain.UserID, 0, len(asked.Users))
	spelt := Spellings{}
	for _, id := range asked.Users {
		user, err := domain.ParseUserID(id)
		if err != nil {
			return nil, domain.CheckUserIDs(asked.Users) // which names all that are malformed
		}
		user = domain.UserID(strings.Clone(string(user)))
		users = append(users, user)
		spelt.note(user, strings.ToLower(id))
	}
	return &Subscription{Users: users, Spelt: spelt, Since: asked.Since, By: by}, nil
}

// entitled returns what tells who a subscriber is, or why it may not have a stream, by the rules of when it is called.
func entitled(again func() (domain.Principal, error), all bool, ids []string) func() (domain.Principal, error) {
	return func() (domain.Principal, error) {
		by, err := again()
		if err == nil && all {
			err = by.MayWatchAll()
		}
		if err == nil {
			err = by.MayRead(ids)
		}
		return by, err
	}
}

// begin sends the head of the response, and leaves the rest to the hub.
func (a *API) begin(c *fiber.Ctx, asked *v1.Query, by domain.Principal, place func(domain.Problem) problem.Entry) error {
	subscription, err := subscribe(asked, by)
	if err == nil {
		err = by.MayRead(asked.Users)
	}
	members := 0
	if err == nil {
		members, err = subscription.readGroups(asked, a.hub.directory)
	}
	if err != nil {
		return problem.Locate(err, place)
	}
	if last := c.Get("Last-Event-ID"); last != "" {
		since, err := strconv.ParseUint(last, 10, 64)
		subscription.Since, subscription.Lost = domain.Revision(since), err != nil // an id that is not ours is from another life
	}
	if a.hub.ctx.Err() != nil {
		return context.Canceled
	}
	var ids []string // which only a key's right depends on
	if by.Key != nil {
		for _, user := range subscription.Users {
			ids = append(ids, string(user))
		}
	}
	subscription.Entitled = entitled(v1.Again(c, by, a.tokens), subscription.All, ids)
	release, err := a.quotas.take(by, len(subscription.Users)+members)
	if err != nil {
		return err
	}
	respond.Headers(&c.Context().Response.Header)
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set("X-Accel-Buffering", "no") // or nginx would keep the events to itself
	if c.Context().IsHead() {
		return nil
	}
	c.Context().SetConnectionClose()
	subscription.Head = c.Context().Response.Header.AppendBytes(nil)
	err = conn.TakeOver(c.Context(), func(connection *conn.Stream) {
		defer release()
		a.hub.Serve(connection, subscription)
	})
	if err != nil {
		release()
	}
	return err
}
