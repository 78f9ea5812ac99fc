package v1

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
)

// me is who a token speaks for, and what the site offers to set, as JSON. Every key is always there; what there is none of is null.
type me struct {
	User          *string         `json:"user"`
	Key           *string         `json:"key"`
	DisplayName   *string         `json:"display_name"`
	Service       bool            `json:"service"`
	Expires       json.RawMessage `json:"expires"`
	StatusEntries []statusEntry   `json:"status_entries"`
}

// statusEntry is a domain.StatusEntry as JSON. For is in seconds.
type statusEntry struct {
	Label    string  `json:"label"`
	Status   string  `json:"status"`
	Activity *string `json:"activity"`
	For      *int64  `json:"for"`
}

// Offer says which entries people can pick their status from. It may be called while requests are served.
func (a *API) Offer(entries []domain.StatusEntry) {
	offered := make([]statusEntry, len(entries))
	for i, e := range entries {
		offered[i] = statusEntry{Label: e.Label, Status: e.Status.String()}
		if e.Activity != domain.NoActivity {
			activity := e.Activity.String()
			offered[i].Activity = &activity
		}
		if e.For > 0 {
			seconds := int64(e.For / time.Second)
			offered[i].For = &seconds
		}
	}
	a.entries.Store(&offered)
}

// GetMe answers with who the token speaks for. Every token may ask that, also a key that may ask nothing else.
func (a *API) GetMe(c *fiber.Ctx) error {
	by, err := identify(c, a.tokens)
	if err == nil {
		err = noQuery(c)
	}
	if err != nil {
		return err
	}
	document := me{Service: by.Service, Expires: appendTime(nil, "", 0), StatusEntries: *a.entries.Load()}
	user := string(by.User)
	if by.Key != nil {
		name := strings.TrimPrefix(user, domain.KeyPrefix)
		document.Key = &name
	} else {
		states, _, err := a.feed.States(by, []string{user}, nil)
		if err != nil {
			return err
		}
		document.User, document.Expires = &user, appendTime(nil, "", by.Until)
		if name := states[0].DisplayName; name != "" {
			document.DisplayName = &name
		}
	}
	respond.Headers(&c.Context().Response.Header)
	return c.JSON(document, string(respond.JSON))
}
