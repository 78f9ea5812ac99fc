package portstest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// VerifierStage is a verifier, what makes tokens for it, and its clock. The clock begins at a whole second.
type VerifierStage struct {
	Verifier ports.Verifier
	Issue    func(user domain.UserID) (token string) // as of now
	Lifetime time.Duration                           // how long a token holds, with what the verifier adds because clocks differ
	Clock    *SetClock
}

// SetClock is a clock that a test sets. It may be used concurrently.
type SetClock struct {
	mu  sync.Mutex
	now domain.Timestamp
}

// NewSetClock makes a clock that stands in the year 2100.
func NewSetClock() *SetClock { return &SetClock{now: 4_102_444_800_000_000_000} }

// Now returns what was set.
func (c *SetClock) Now() domain.Timestamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance sets the clock on, or back.
func (c *SetClock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// Verifier checks what ports.Verifier promises.
func Verifier(t *testing.T, stage func(t testing.TB) VerifierStage) {
	run(t, verifierContract, stage)
}

const (
	verifiedAlice domain.UserID = "alice@example.test"
	verifiedBob   domain.UserID = "bob@example.test"
)

var verifierContract = []contract[VerifierStage]{
	{"a token speaks for its user", func(t testing.TB, s VerifierStage) {
		for _, user := range []domain.UserID{verifiedAlice, verifiedBob, "o'brien@[2001:db8::1]", "jürgen@exämple.test"} {
			if got, err := s.Verifier.Verify(s.Issue(user)); err != nil || got.User != user {
				t.Errorf("%s: Verify = %+v, %v", user, got, err)
			}
		}
	}},
	{"a token holds for its lifetime and no longer, and its principal says until when", func(t testing.TB, s VerifierStage) {
		token, issued := s.Issue(verifiedAlice), s.Clock.Now()
		s.Clock.Advance(s.Lifetime - time.Second)
		if got, err := s.Verifier.Verify(token); err != nil || got.Until != issued.Add(s.Lifetime) {
			t.Errorf("a second before its end: %v, until %v; want %v", err, got.Until.Time(), issued.Add(s.Lifetime).Time())
		}
		s.Clock.Advance(3 * time.Second)
		s.refuses(t, "expired", token)
	}},
	{"a token from the future is refused", func(t testing.TB, s VerifierStage) {
		token := s.Issue(verifiedAlice)
		s.Clock.Advance(-24 * time.Hour)
		s.refuses(t, "dated a day ahead", token)
	}},
	{"whatever is changed in a token, it is refused, and the error does not tell it", func(t testing.TB, s VerifierStage) {
		token := s.Issue(verifiedAlice)
		for i := range len(token) {
			for _, c := range []byte{'0', '9', 'A', ':', '.', '@', ' ', 0, 0xff} {
				if token[i] != c {
					s.refuses(t, "changed", token[:i]+string(c)+token[i+1:])
				}
			}
			s.refuses(t, "cut", token[:i])
			s.refuses(t, "shortened", token[:i]+token[i+1:])
		}
		s.refuses(t, "twice", token+token)
		s.refuses(t, "with something behind it", token+"=")
		s.refuses(t, "huge", strings.Repeat("x", 1<<20))
		s.refuses(t, "huge, and begins well", token+strings.Repeat("x", 1<<20))
	}},
	{"tokens may be verified concurrently", func(t testing.TB, s VerifierStage) {
		var all sync.WaitGroup
		for i := range 8 {
			user := domain.UserID(fmt.Sprintf("user%d@example.test", i))
			token := s.Issue(user)
			all.Go(func() {
				for range 200 {
					if got, err := s.Verifier.Verify(token); err != nil || got.User != user {
						t.Errorf("Verify = %+v, %v", got, err)
						return
					}
				}
			})
		}
		all.Wait()
	}},
}

// refuses checks that a token is not accepted, and that the error does not give it away.
func (s VerifierStage) refuses(t testing.TB, how, token string) {
	t.Helper()
	got, err := s.Verifier.Verify(token)
	if !errors.Is(err, domain.ErrUnauthenticated) || got.User != "" {
		t.Fatalf("a token that is %s (%.80q): Verify = %+v, %v; want ErrUnauthenticated", how, token, got, err)
	}
	if len(token) > 40 && strings.Contains(err.Error(), token[len(token)-20:]) {
		t.Errorf("the error shows the token: %v", err)
	}
}
