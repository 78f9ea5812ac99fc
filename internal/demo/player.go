package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zarafa/presence/adapters/manual"
	"github.com/zarafa/presence/adapters/spreed"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/xmpptest"
)

// player carries out the steps of a scenario on the servers. It is for one goroutine.
type player struct {
	servers *servers
	http    *http.Client
	users   map[string]*user // by name
}

// user is a person's clients.
type user struct {
	devices map[string]*xmpptest.Client // logged in on XMPP, by resource
	doing   *activity
}

func newPlayer(s *servers) *player {
	p := &player{servers: s, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}, users: map[string]*user{}}
	for _, person := range people {
		p.users[person.name] = &user{devices: map[string]*xmpptest.Client{}, doing: home}
	}
	return p
}

// end ends the XMPP connections.
func (p *player) end() {
	for _, user := range p.users {
		for _, device := range user.devices {
			device.Cut()
		}
	}
}

// do carries out a step.
func (p *player) do(ctx context.Context, n step) error {
	name, user := n.person.name, p.users[n.person.name]
	before, now := user.doing, n.activity
	user.doing = now
	if err := p.show(name, user, now.devices(n.person), n.abrupt); err != nil {
		return err
	}
	if before.meeting.status != "" && now.meeting.status == "" && !n.abrupt { // else the daemon lets the presence expire
		if err := p.send(ctx, name, spreed.Protocol, map[string]any{"status": "unavailable"}); err != nil {
			return err
		}
	}
	switch {
	case now.manual.status != "":
		until := time.Now().Add(now.lasting).UTC().Format(time.RFC3339)
		return p.send(ctx, name, manual.Protocol, map[string]any{"status": now.manual.status, "message": now.manual.message, "until": until})
	case before.manual.status != "":
		return p.send(ctx, name, manual.Protocol, nil)
	}
	return nil
}

// show lets a person's devices log in and out, so that only these are left, and send what they show.
func (p *player) show(name string, user *user, shows map[string]presence, abrupt bool) error {
	for resource, device := range user.devices {
		if _, stays := shows[resource]; stays {
			continue
		}
		if !abrupt {
			device.Leave("")
		}
		device.Cut()
		delete(user.devices, resource)
	}
	for resource, says := range shows {
		if user.devices[resource] == nil {
			device, err := p.servers.xmpp.Connect(name, resource)
			if err != nil {
				return err
			}
			user.devices[resource] = device
		}
		user.devices[resource].Show(strings.TrimPrefix(says.status, "online"), says.message) // online is no show in XMPP
	}
	return nil
}

// report lets the clients of all web meetings report, again and again, because what they report expires.
func (p *player) report(ctx context.Context) error {
	for name, user := range p.users {
		says := user.doing.meeting
		if says.status == "" {
			continue
		}
		if err := p.send(ctx, name, spreed.Protocol, map[string]any{"status": says.status, "message": says.message}); err != nil {
			return err
		}
	}
	return nil
}

// send replaces a user's presence on a protocol, with the user's own token, or removes it if says is nil.
func (p *player) send(ctx context.Context, name string, protocol domain.Protocol, says map[string]any) error {
	body, err := json.Marshal(says)
	if err != nil {
		return err
	}
	method, user := http.MethodPut, p.servers.xmpp.JID(name)
	if says == nil {
		method, body = http.MethodDelete, nil
	}
	at := p.servers.url + "v1/users/" + url.PathEscape(user) + "/" + protocol.String()
	request, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+p.servers.tokens.Issue(domain.UserID(user)))
	response, err := p.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if answer, err := io.ReadAll(response.Body); err != nil || response.StatusCode/100 != 2 {
		return errors.Join(err, fmt.Errorf("%s %s: %s: %s", method, at, response.Status, answer))
	}
	return nil
}
