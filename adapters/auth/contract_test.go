package auth_test

import (
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
)

func TestContract(t *testing.T) {
	portstest.Tokens(t, func(t testing.TB, clock ports.Clock, lifetime time.Duration) ports.Tokens {
		tokens, err := auth.New(config(func(c *auth.Config) { c.TokenExpire = lifetime }), clock)
		if err != nil {
			t.Fatal(err)
		}
		return tokens
	})
}
