package http_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// naming is a feed that calls one user Alice Cooper.
type naming struct{ ports.Feed }

func (n naming) States(by domain.Principal, ids []string, into []domain.State) ([]domain.State, domain.Revision, error) {
	states, forgotten, err := n.Feed.States(by, ids, into)
	if err == nil && ids[0] == alice {
		states[0].DisplayName = `Alice "Ali" Cooper`
	}
	return states, forgotten, err
}

// TestV1Me: a token says who it speaks for, and what the site offers to set.
func TestV1Me(t *testing.T) {
	core := coretest.Start(t)
	core.Feed = naming{core.Feed}
	r := startWith(t, localConfig(), core)
	made := time.Unix(time.Now().Unix(), 0).UTC()
	const ends = "2006-01-02T15:04:05.000Z"
	for user, want := range map[string]string{
		mark:    `{"user":"markd@zarafa.com","key":null,"display_name":null,"service":false,"expires":"%s","status_entries":[]}`,
		alice:   `{"user":"alice@example.test","key":null,"display_name":"Alice \"Ali\" Cooper","service":false,"expires":"%s","status_entries":[]}`,
		service: `{"user":"meetings@example.test","key":null,"display_name":null,"service":true,"expires":"%s","status_entries":[]}`,
	} {
		got := send(t, r.Server, "GET", "/v1/me", "", "Authorization: Bearer "+tokenOf(secret, made, user))
		if want := fmt.Sprintf(want, made.Add(5*time.Minute).Format(ends)); got.status != 200 || got.body != want || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %s\nwant %s", user, got.status, got.header, got.body, want)
		}
	}

	meal, err := domain.NewStatusEntry("Lunch", "away", "meal", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r.Offer([]domain.StatusEntry{meal, {Label: "Working from home", Status: domain.Available}})
	got := send(t, r.Server, "GET", "/v1/me", "", "Authorization: Bearer "+tokenOf(secret, made, mark))
	want := `{"user":"markd@zarafa.com","key":null,"display_name":null,"service":false,"expires":"` + made.Add(5*time.Minute).Format(ends) + `","status_entries":[` +
		`{"label":"Lunch","status":"away","activity":"meal","for":3600},{"label":"Working from home","status":"available","activity":null,"for":null}]}`
	if got.body != want {
		t.Errorf("with entries: %d %s\nwant %s", got.status, got.body, want)
	}
	if got := r.v1(t, mark, "GET", "/v1/me?x", ""); got.status != 400 {
		t.Errorf("with a query: %d %s", got.status, got.body)
	}
}

// TestV1MeOfKey: a key is told its name, also one that may ask nothing else.
func TestV1MeOfKey(t *testing.T) {
	r, sets, reads := startWithKeys(t)
	for key, name := range map[string]string{sets: "sets", reads: "reads"} {
		want := `{"user":null,"key":"` + name + `","display_name":null,"service":false,"expires":null,"status_entries":[]}`
		if got := send(t, r.Server, "GET", "/v1/me", "", "Authorization: Bearer "+key); got.status != 200 || got.body != want {
			t.Errorf("%s: %d %s\nwant %s", name, got.status, got.body, want)
		}
	}
}
