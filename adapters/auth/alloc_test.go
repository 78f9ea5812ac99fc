//go:build !race

package auth_test

import (
	"testing"

	"github.com/zarafa/presence/adapters/auth"
)

// TestVerifyDoesNotAllocate is not for the race detector, under which a sync.Pool forgets at random.
func TestVerifyDoesNotAllocate(t *testing.T) {
	tokens := newTokens(t, config(func(c *auth.Config) { c.OldSecrets = []string{"the secret before this one"} }), at(exampleTime))
	token := tokens.Issue("markd@zarafa.com")
	if n := testing.AllocsPerRun(1000, func() { _, _ = tokens.Verify(token) }); n >= 1 {
		t.Errorf("Verify allocates %v times", n)
	}
}
