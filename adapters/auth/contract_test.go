package auth_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports/portstest"
)

// TestContract checks what ports.Verifier promises, each sentence with tokens of its own.
func TestContract(t *testing.T) {
	portstest.Verifier(t, func(t testing.TB) portstest.VerifierStage {
		clock := portstest.NewSetClock()
		tokens, err := auth.New(config(func(c *auth.Config) { c.TokenExpire = tokenLifetime }), clock)
		if err != nil {
			t.Fatal(err)
		}
		return portstest.VerifierStage{Verifier: tokens, Issue: tokens.Issue, Lifetime: tokenLifetime, Clock: clock}
	})
}

// TestTokensConcurrently: tokens may be made and read concurrently.
func TestTokensConcurrently(t *testing.T) {
	tokens, _ := codes(t)
	var all sync.WaitGroup
	for _, user := range []domain.UserID{alice, bob, "carol@example.test", "dave@example.test"} {
		all.Go(func() {
			for range 400 {
				if got, err := tokens.Verify(tokens.Issue(user)); err != nil || got.User != user {
					t.Errorf("Verify = %+v, %v", got, err)
				}
			}
		})
	}
	all.Wait()
}

// TestTokenOfAnother: a token is not good for somebody else.
func TestTokenOfAnother(t *testing.T) {
	tokens, _ := codes(t)
	if got, err := tokens.Verify(strings.Replace(tokens.Issue(alice), string(alice), string(bob), 1)); err == nil {
		t.Errorf("Verify = %+v", got)
	}
}

const (
	alice domain.UserID = "alice@example.test"
	bob   domain.UserID = "bob@example.test"
)

const tokenLifetime = 5 * time.Minute
