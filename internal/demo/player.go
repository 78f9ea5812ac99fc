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
	devices map[string]*xmpptest.Client // logged in on XMPP, by full JID
}

// do carries out a step.
func (p *player) do(ctx context.Context, n step) error {
	if err := p.show(n); err != nil {
		return err
	}
	if n.before.meeting.Status != "" && n.activity.meeting.Status == "" && !n.abrupt { // else the daemon lets the presence expire
		if err := p.send(ctx, n.person.name, spreed.Protocol, presence{Status: "unavailable"}); err != nil {
			return err
		}
	}
	says := n.activity.manual
	if says == n.before.manual {
		return nil
	}
	if says.Status != "" {
		says.Until = time.Now().Add(holds).UTC().Format(time.RFC3339)
	}
	return p.send(ctx, n.person.name, manual.Protocol, says)
}

// show lets a person's devices log in and out, and send what they show.
func (p *player) show(n step) error {
	for i, resource := range n.person.devices {
		jid, says := p.servers.xmpp.JID(n.person.name)+"/"+resource, n.activity.shows(i)
		device := p.devices[jid]
		switch {
		case device == nil && says.Status == "":
			continue
		case says.Status == "":
			if !n.abrupt {
				device.Leave("")
			}
			device.Cut()
			delete(p.devices, jid)
			continue
		case device == nil:
			var err error
			if device, err = p.servers.xmpp.Connect(n.person.name, resource); err != nil {
				return err
			}
			p.devices[jid] = device
		}
		device.Show(strings.TrimPrefix(says.Status, "online"), says.Message) // online is no show in XMPP
	}
	return nil
}

// report lets the clients of all web meetings report, again and again, because what they report expires.
func (p *player) report(ctx context.Context, doing map[string]*activity) error {
	for name, activity := range doing {
		if activity.meeting.Status == "" {
			continue
		}
		if err := p.send(ctx, name, spreed.Protocol, activity.meeting); err != nil {
			return err
		}
	}
	return nil
}

var client = &http.Client{Timeout: 5 * time.Second}

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
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if answer, err := io.ReadAll(response.Body); err != nil || response.StatusCode/100 != 2 {
		return errors.Join(err, fmt.Errorf("%s %s: %s: %s", method, at, response.Status, answer))
	}
	return nil
}
