package main

import (
	"context"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/xmpptest"
)

// performance is a play on a stage. It is for one goroutine.
type performance struct {
	stage   *stage
	clients *clients
	parts   map[string]*part // by name
}

// part is one person's: the clients that are there for this person.
type part struct {
	user    domain.UserID
	devices map[string]*device
	meeting shown
	told    time.Time // when the meeting's client has last reported
	manual  bool      // something was set by hand, and may have ended since
}

// device is one that is logged in. Its scope ends with it, so that nothing gathers in a demo that runs all day.
type device struct {
	scope  *scope
	client *xmpptest.Client
	shows  shown
}

func newPerformance(s *stage) *performance {
	p := &performance{stage: s, clients: newClients(s), parts: map[string]*part{}}
	for _, person := range cast {
		p.parts[person.name] = &part{user: domain.UserID(s.xmpp.JID(person.name)), devices: map[string]*device{}}
	}
	s.Cleanup(func() {
		for _, part := range p.parts {
			for _, device := range part.devices {
				device.scope.end()
			}
		}
	})
	return p
}

// show makes a scene so.
func (p *performance) show(ctx context.Context, n scene) error {
	part := p.parts[n.person.name]
	p.logOut(part, n)
	for name, shows := range n.activity.devices(n.person) {
		p.logIn(part, n.person.name, name, shows)
	}
	if err := p.meet(ctx, part, n); err != nil {
		return err
	}
	return p.set(ctx, part, n.activity)
}

// logOut takes away the devices that are not wanted any more.
func (p *performance) logOut(part *part, n scene) {
	wanted := n.activity.devices(n.person)
	for name, device := range part.devices {
		if _, stays := wanted[name]; stays {
			continue
		}
		if !n.abrupt {
			device.client.Leave("")
		}
		device.scope.end()
		delete(part.devices, name)
	}
}

// logIn makes a device show something.
func (p *performance) logIn(part *part, person, name string, shows shown) {
	d := part.devices[name]
	if d == nil {
		d = &device{scope: &scope{}}
		part.devices[name] = d
		d.client = p.stage.xmpp.Login(d.scope, person, name)
		d.shows = shown{"online", ""}
	}
	if d.shows == shows {
		return
	}
	show := shows.status
	if show == "online" { // which XMPP says by saying nothing
		show = ""
	}
	d.client.Show(show, shows.message)
	d.shows = shows
}

// meet makes the person join a web meeting, change there, or go.
func (p *performance) meet(ctx context.Context, part *part, n scene) error {
	before := part.meeting
	part.meeting = n.activity.meeting
	switch {
	case part.meeting == before:
		return nil
	case part.meeting.status != "":
		part.told = time.Now()
		return p.clients.report(ctx, part.user, part.meeting)
	case n.abrupt: // the daemon will notice
		return nil
	default:
		return p.clients.report(ctx, part.user, shown{"unavailable", ""})
	}
}

// set sets by hand what the activity asks for, or takes back what was set.
func (p *performance) set(ctx context.Context, part *part, a *activity) error {
	if a.manual.status != "" {
		part.manual = true
		return p.clients.set(ctx, part.user, a.manual, a.lasting)
	}
	if !part.manual {
		return nil
	}
	part.manual = false
	return p.clients.clear(ctx, part.user)
}

// repeat lets the meetings' clients say again what holds, as they have to.
func (p *performance) repeat(ctx context.Context) error {
	for _, part := range p.parts {
		if part.meeting.status == "" || time.Since(part.told) < silence/3 {
			continue
		}
		part.told = time.Now()
		if err := p.clients.report(ctx, part.user, part.meeting); err != nil {
			return err
		}
	}
	return nil
}
