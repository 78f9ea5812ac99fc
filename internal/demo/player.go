package main

import (
	"bytes"
	"cmp"
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
	doing   map[string]*activity                   // by person; who is missing is at home
	devices map[string]map[string]*xmpptest.Client // logged in on XMPP, by person and resource
}

func newPlayer(s *servers) *player {
	p := &player{servers: s, http: &http.Client{Timeout: 5 * time.Second}, doing: map[string]*activity{}, devices: map[string]map[string]*xmpptest.Client{}}
	for _, person := range people {
		p.devices[person.name] = map[string]*xmpptest.Client{}
	}
	return p
}

// end ends the XMPP connections.
func (p *player) end() {
	for _, devices := range p.devices {
		for _, device := range devices {
			device.Cut()
		}
	}
}

// do carries out a step.
func (p *player) do(ctx context.Context, n step) error {
	name, before, now := n.person.name, cmp.Or(p.doing[n.person.name], home), n.activity
	p.doing[name] = now
	if err := p.show(name, now.devices(n.person), n.abrupt); err != nil {
		return err
	}
	if before.meeting.Status != "" && now.meeting.Status == "" && !n.abrupt { // else the daemon lets the presence expire
		if err := p.send(ctx, name, spreed.Protocol, presence{Status: "unavailable"}); err != nil {
			return err
		}
	}
	if before.manual == now.manual {
		return nil
	}
	says := now.manual
	if says.Status != "" {
		says.Until = time.Now().Add(holds).UTC().Format(time.RFC3339)
	}
	return p.send(ctx, name, manual.Protocol, says)
}

// show lets a person's devices log in and out, so that only these are left, and send what they show.
func (p *player) show(name string, shows map[string]presence, abrupt bool) error {
	devices := p.devices[name]
	for resource, device := range devices {
		if _, stays := shows[resource]; stays {
			continue
		}
		if !abrupt {
			device.Leave("")
		}
		device.Cut()
		delete(devices, resource)
	}
	for resource, says := range shows {
		if devices[resource] == nil {
			device, err := p.servers.xmpp.Connect(name, resource)
			if err != nil {
				return err
			}
			devices[resource] = device
		}
		devices[resource].Show(strings.TrimPrefix(says.Status, "online"), says.Message) // online is no show in XMPP
	}
	return nil
}

// report lets the clients of all web meetings report, again and again, because what they report expires.
func (p *player) report(ctx context.Context) error {
	for name, doing := range p.doing {
		if doing.meeting.Status == "" {
			continue
		}
		if err := p.send(ctx, name, spreed.Protocol, doing.meeting); err != nil {
			return err
		}
	}
	return nil
}

// send replaces a person's presence on a protocol, with the person's own token, or removes it if there is no status.
func (p *player) send(ctx context.Context, name string, protocol domain.Protocol, says presence) error {
	method, user := http.MethodPut, p.servers.xmpp.JID(name)
	body, err := json.Marshal(says)
	if says.Status == "" {
		method, body = http.MethodDelete, nil
	}
	at := p.servers.url + "v1/users/" + url.PathEscape(user) + "/" + protocol.String()
	request, errRequest := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err := errors.Join(err, errRequest); err != nil {
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
