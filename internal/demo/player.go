package main

import (
	"context"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/xmpptest"
)

// player carries out the steps of a scenario on the servers. It is for one goroutine.
type player struct {
	servers *servers
	clients *clients
	users   map[string]*userState // by name
}

// userState is what a person's clients report at present.
type userState struct {
	id       domain.UserID
	devices  map[string]*device // logged in on XMPP, by resource
	meeting  presence
	reported time.Time // when the meeting's client last reported
	manual   bool      // a manual presence was set; it may have ended since
}

// device is a logged-in device. It has its own scope, which ends with it, so that a long demo does not collect cleanup functions.
type device struct {
	scope  *scope
	client *xmpptest.Client
	shows  presence
}

func newPlayer(s *servers) *player {
	p := &player{servers: s, clients: newClients(s), users: map[string]*userState{}}
	for _, person := range people {
		p.users[person.name] = &userState{id: domain.UserID(s.xmpp.JID(person.name)), devices: map[string]*device{}}
	}
	s.Cleanup(func() {
		for _, user := range p.users {
			for _, device := range user.devices {
				device.scope.end()
			}
		}
	})
	return p
}

// do carries out a step.
func (p *player) do(ctx context.Context, n step) error {
	user := p.users[n.person.name]
	p.logOut(user, n)
	for name, shows := range n.activity.devices(n.person) {
		p.logIn(user, n.person.name, name, shows)
	}
	if err := p.meet(ctx, user, n); err != nil {
		return err
	}
	return p.set(ctx, user, n.activity)
}

// logOut logs out the devices that the activity does not use.
func (p *player) logOut(user *userState, n step) {
	wanted := n.activity.devices(n.person)
	for name, device := range user.devices {
		if _, stays := wanted[name]; stays {
			continue
		}
		if !n.abrupt {
			device.client.Leave("")
		}
		device.scope.end()
		delete(user.devices, name)
	}
}

// logIn logs in a device, unless it is logged in, and sends its presence.
func (p *player) logIn(user *userState, person, name string, shows presence) {
	d := user.devices[name]
	if d == nil {
		d = &device{scope: &scope{}}
		user.devices[name] = d
		d.client = p.servers.xmpp.Login(d.scope, person, name)
		d.shows = presence{"online", ""}
	}
	if d.shows == shows {
		return
	}
	show := shows.status
	if show == "online" { // in XMPP: no show
		show = ""
	}
	d.client.Show(show, shows.message)
	d.shows = shows
}

// meet lets the person join a web meeting, change the presence there, or leave.
func (p *player) meet(ctx context.Context, user *userState, n step) error {
	before := user.meeting
	user.meeting = n.activity.meeting
	switch {
	case user.meeting == before:
		return nil
	case user.meeting.status != "":
		user.reported = time.Now()
		return p.clients.report(ctx, user.id, user.meeting)
	case n.abrupt: // the daemon lets the presence expire
		return nil
	default:
		return p.clients.report(ctx, user.id, presence{"unavailable", ""})
	}
}

// set sets the activity's manual presence, or clears an earlier one.
func (p *player) set(ctx context.Context, user *userState, a *activity) error {
	if a.manual.status != "" {
		user.manual = true
		return p.clients.set(ctx, user.id, a.manual, a.lasting)
	}
	if !user.manual {
		return nil
	}
	user.manual = false
	return p.clients.clear(ctx, user.id)
}

// repeat lets the meetings' clients repeat their report before it expires.
func (p *player) repeat(ctx context.Context) error {
	for _, user := range p.users {
		if user.meeting.status == "" || time.Since(user.reported) < autoUnavailable/3 {
			continue
		}
		user.reported = time.Now()
		if err := p.clients.report(ctx, user.id, user.meeting); err != nil {
			return err
		}
	}
	return nil
}
