package http_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
)

// TestAnUpdateWhoseClientHasGoneIsNotRepeated: another daemon has taken a newer one meanwhile, perhaps of the same client, which gave up this one.
// While the client is there, the update is carried out after the other.
func TestAnUpdateWhoseClientHasGoneIsNotRepeated(t *testing.T) {
	for name, send := range map[string]func(r *running) string{
		"the original API": func(r *running) string {
			return request("PUT", r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy","message":"older"}}`))
		},
		"API v1": func(r *running) string {
			const body = `{"status":"busy","message":"older"}`
			return fmt.Sprintf("PUT /v1/users/%s/spreed HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
				mark, r.tokens.Issue(mark), len(body), body)
		},
	} {
		for _, gone := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, the client has gone: %t", name, gone), func(t *testing.T) {
				r := start(t)
				client := dial(t, r.Server)
				defer client.Close()
				r.core.Journal.Before(1, func() error {
					newer := domain.Presence{Protocol: spreed}.Observe(domain.Shown{Status: domain.Away, Message: "newer"}, domain.ExpiryPolicy{}, r.core.Clock.Now())
					r.core.Elsewhere(t, 0, image.Write{User: mark, Old: domain.Presence{Protocol: spreed}, New: newer})
					if gone {
						_ = client.Close()
						time.Sleep(50 * time.Millisecond) // so that the server's side has heard of it
					}
					return nil
				})
				if _, err := io.WriteString(client, send(r)); err != nil {
					t.Fatal(err)
				}
				want := "older"
				if gone {
					want = "newer"
				} else if _, err := client.Read(make([]byte, 1)); err != nil { // the answer
					t.Fatal(err)
				}
				for deadline := time.Now().Add(500 * time.Millisecond); gone && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
					if p, _ := r.core.Presences(mark).On(spreed); p.Message == "older" {
						break
					}
				}
				if p, _ := r.core.Presences(mark).On(spreed); p.Message != want {
					t.Errorf("the core has %q, want %q", p.Message, want)
				}
			})
		}
	}
}
