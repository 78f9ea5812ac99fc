package auth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
)

func codes(t *testing.T) (*auth.Tokens, *portstest.SetClock) {
	t.Helper()
	clock := portstest.NewSetClock()
	tokens, err := auth.New(config(), clock)
	if err != nil {
		t.Fatal(err)
	}
	return tokens, clock
}

// TestCode: a code is good for a token of its user, once, for half a minute; and is no token.
func TestCode(t *testing.T) {
	tokens, clock := codes(t)
	for _, user := range []domain.UserID{alice, "o'brien@[2001:db8::1]", "jürgen@exämple.test"} {
		code, another := tokens.IssueCode(user), tokens.IssueCode(user)
		if _, err := tokens.Verify(code); !errors.Is(err, domain.ErrUnauthenticated) {
			t.Errorf("%s: a code counts as a token: %v", user, err)
		}
		token, err := tokens.Exchange(code)
		if err != nil {
			t.Fatalf("%s: Exchange: %v", user, err)
		}
		if by, err := tokens.Verify(token); err != nil || by.User != user {
			t.Errorf("%s: the token speaks for %v, %v", user, by, err)
		}
		if _, err := tokens.Exchange(code); !errors.Is(err, domain.ErrUnauthenticated) || !strings.Contains(err.Error(), "has been used") {
			t.Errorf("%s: a second time: %v", user, err)
		}
		if _, err := tokens.Exchange(another); err != nil {
			t.Errorf("%s: another code of the same second: %v", user, err)
		}
	}
	code, late := tokens.IssueCode(alice), tokens.IssueCode(alice)
	clock.Advance(30 * time.Second)
	if _, err := tokens.Exchange(code); err != nil {
		t.Errorf("at the last moment: %v", err)
	}
	clock.Advance(1)
	for _, code := range []string{code, late} {
		if _, err := tokens.Exchange(code); !errors.Is(err, domain.ErrUnauthenticated) || !strings.Contains(err.Error(), "has expired") {
			t.Errorf("too late: %v", err)
		}
	}
	clock.Advance(-time.Hour)
	if _, err := tokens.Exchange(late); !errors.Is(err, domain.ErrUnauthenticated) {
		t.Errorf("from the future: %v", err)
	}
}

// TestCodeForged: whatever is changed in a code, it is refused, and so is a token. The error does not show it.
func TestCodeForged(t *testing.T) {
	tokens, _ := codes(t)
	code := tokens.IssueCode(alice)
	forged := []string{"", "code:", "code:::::", tokens.Issue(alice), "code:" + tokens.Issue(alice), strings.Replace(code, "alice", "carol", 1), code + "=", strings.Repeat("x", 1<<20)}
	for i := range len(code) {
		forged = append(forged, code[:i], code[:i]+code[i+1:])
		for _, c := range "09a:@ " {
			if rune(code[i]) != c {
				forged = append(forged, code[:i]+string(c)+code[i+1:])
			}
		}
	}
	for _, code := range forged {
		if token, err := tokens.Exchange(code); !errors.Is(err, domain.ErrUnauthenticated) || token != "" {
			t.Fatalf("Exchange(%.90q) = %q, %v", code, token, err)
		} else if len(code) > 40 && strings.Contains(err.Error(), code[len(code)-20:]) {
			t.Errorf("the error shows the code: %v", err)
		}
	}
	if _, err := tokens.Exchange(code); err != nil {
		t.Errorf("the code itself: %v", err)
	}
}

// TestCodesBounded: the codes that were used take a bounded amount of memory, and make room when they end.
func TestCodesBounded(t *testing.T) {
	tokens, clock := codes(t)
	var err error
	exchanged := 0
	for ; err == nil; exchanged++ {
		_, err = tokens.Exchange(tokens.IssueCode(alice))
	}
	if !errors.Is(err, ports.ErrUnavailable) || exchanged != 10_001 {
		t.Errorf("after %d: %v", exchanged, err)
	}
	clock.Advance(time.Minute)
	if _, err := tokens.Exchange(tokens.IssueCode(alice)); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}
