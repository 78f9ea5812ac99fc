//go:build !race

package auth_test

import (
	"fmt"
	"testing"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// TestVerifyDoesNotAllocate is not for the race detector, under which a sync.Pool forgets at random.
func TestVerifyDoesNotAllocate(t *testing.T) {
	tokens := newTokens(t, config(func(c *auth.Config) { c.OldSecrets = []setting.Secret{setting.NewSecret("the secret before this one")} }), at(exampleTime))
	many := make([]string, 4096)
	for i := range many {
		many[i] = tokens.Issue(domain.UserID(fmt.Sprintf("user%d@zarafa.com", i)))
	}
	verify := func() {
		for _, token := range many {
			_, _ = tokens.Verify(token)
		}
	}
	if n := testing.AllocsPerRun(10, verify); n >= 1 {
		t.Errorf("Verify allocates %v times for %d tokens", n, len(many))
	}
}
