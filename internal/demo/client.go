package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/zarafa/presence/adapters/manual"
	"github.com/zarafa/presence/domain"
)

// clients sends HTTP requests for all people, each with the user's own token.
type clients struct {
	daemon *daemon
	http   *http.Client
}

func newClients(s *servers) *clients {
	transport := &http.Transport{}
	s.Cleanup(transport.CloseIdleConnections)
	return &clients{daemon: s.daemon, http: &http.Client{Transport: transport, Timeout: 5 * time.Second}}
}

// report sends a meeting client's report over the original API, as such clients do.
func (c *clients) report(ctx context.Context, user domain.UserID, says presence) error {
	return c.send(ctx, http.MethodPut, c.daemon.url, "", map[string]any{
		"AuthenticationToken": c.daemon.tokens.Issue(user),
		"Type":                "UserStatus",
		"UserStatus":          []any{map[string]any{"user_id": user, "spreed": map[string]string{"status": says.status, "message": says.message}}},
	})
}

// set sets the user's manual presence for a while.
func (c *clients) set(ctx context.Context, user domain.UserID, says presence, lasting time.Duration) error {
	return c.send(ctx, http.MethodPut, c.manual(user), c.daemon.tokens.Issue(user), map[string]any{
		"status": says.status, "message": says.message, "until": time.Now().Add(lasting).UTC().Truncate(time.Second).Format(time.RFC3339),
	})
}

// clear removes the user's manual presence.
func (c *clients) clear(ctx context.Context, user domain.UserID) error {
	return c.send(ctx, http.MethodDelete, c.manual(user), c.daemon.tokens.Issue(user), nil)
}

func (c *clients) manual(user domain.UserID) string {
	return c.daemon.url + "v1/users/" + url.PathEscape(string(user)) + "/" + manual.Protocol.String()
}

func (c *clients) send(ctx context.Context, method, at, bearer string, document any) error {
	var body []byte
	if document != nil {
		var err error
		if body, err = json.Marshal(document); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, at, response.Status, answer)
	}
	return nil
}
