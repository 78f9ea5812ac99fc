package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// TestContract checks what ports.Tokens promises, each sentence with tokens of its own.
func TestContract(t *testing.T) {
	for _, c := range tokensContract {
		t.Run(c.sentence, func(t *testing.T) {
			clock := &setClock{now: moment}
			tokens, err := auth.New(config(func(c *auth.Config) { c.TokenExpire = tokenLifetime }), clock)
			if err != nil {
				t.Fatal(err)
			}
			c.check(t, tokensSubject{Tokens: tokens, clock: clock})
		})
	}
}

const (
	alice domain.UserID = "alice@example.test"
	bob   domain.UserID = "bob@example.test"

	moment domain.Timestamp = 4_102_444_800_000_000_000 // in the year 2100
)

const tokenLifetime = 5 * time.Minute

type tokensSubject struct {
	ports.Tokens
	clock *setClock
}

// setClock is a clock that a test sets.
type setClock struct {
	mu  sync.Mutex
	now domain.Timestamp
}

func (c *setClock) Now() domain.Timestamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *setClock) set(now domain.Timestamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

var tokensContract = []struct {
	sentence string
	check    func(t *testing.T, s tokensSubject)
}{
	{"an issued token speaks for its user", func(t *testing.T, s tokensSubject) {
		for _, user := range []domain.UserID{alice, bob, "o'brien@[2001:db8::1]", "jürgen@exämple.test"} {
			if got, err := s.Verify(s.Issue(user)); err != nil || got.User != user {
				t.Errorf("%s: Verify = %+v, %v", user, got, err)
			}
		}
	}},
	{"a token holds for its lifetime and no longer", func(t *testing.T, s tokensSubject) {
		token := s.Issue(alice)
		s.clock.set(moment.Add(tokenLifetime - time.Second))
		if _, err := s.Verify(token); err != nil {
			t.Errorf("a second before its end: %v", err)
		}
		s.clock.set(moment.Add(tokenLifetime + 2*time.Second))
		s.refuses(t, "expired", token)
	}},
	{"a token from the future is refused", func(t *testing.T, s tokensSubject) {
		token := s.Issue(alice)
		s.clock.set(moment.Add(-24 * time.Hour))
		s.refuses(t, "dated a day ahead", token)
	}},
	{"whatever is changed in a token, it is refused", func(t *testing.T, s tokensSubject) {
		token := s.Issue(alice)
		for i := range len(token) {
			for _, c := range []byte{'0', '9', 'A', ':', '@', ' ', 0, 0xff} {
				if token[i] != c {
					s.refuses(t, "changed", token[:i]+string(c)+token[i+1:])
				}
			}
			s.refuses(t, "cut", token[:i])
			s.refuses(t, "shortened", token[:i]+token[i+1:])
		}
		s.refuses(t, "for somebody else", strings.Replace(token, string(alice), string(bob), 1))
		s.refuses(t, "twice", token+token)
		s.refuses(t, "with something behind it", token+"=")
		s.refuses(t, "huge", strings.Repeat("x", 1<<20))
	}},
	{"tokens may be made and read concurrently", func(t *testing.T, s tokensSubject) {
		var all sync.WaitGroup
		for i := range 8 {
			user := domain.UserID(fmt.Sprintf("user%d@example.test", i))
			all.Go(func() {
				for range 200 {
					if got, err := s.Verify(s.Issue(user)); err != nil || got.User != user {
						t.Errorf("Verify = %+v, %v", got, err)
					}
				}
			})
		}
		all.Wait()
	}},
}

// refuses checks that a token is not accepted, and that the error does not give it away.
func (s tokensSubject) refuses(t *testing.T, how, token string) {
	t.Helper()
	got, err := s.Verify(token)
	if !errors.Is(err, domain.ErrUnauthenticated) {
		t.Fatalf("a token that is %s (%.80q): Verify = %+v, %v; want ErrUnauthenticated", how, token, got, err)
	}
	if len(token) > 40 && strings.Contains(err.Error(), token[len(token)-20:]) {
		t.Errorf("the error shows the token: %v", err)
	}
}
