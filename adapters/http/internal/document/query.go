package document

import (
	"fmt"

	"github.com/zarafa/presence/adapters/http/internal/jsonscan"
	"github.com/zarafa/presence/domain"
)

const (
	// MaxUsers is how many users one request may ask for.
	MaxUsers = 10_000

	// MaxRevision is the greatest revision that every JSON implementation can tell from its neighbours (RFC 8259, section 6).
	MaxRevision = 1<<53 - 1
)

// Query is a request for some users, {"users": ["markd@zarafa.com"], "since": 4711}, from the body of a request or from its URL. Its
// strings may be parts of the text that was read, which reading changes: whatever outlives the text must be copied. It may be used
// again for the next request, to save memory, but not concurrently.
type Query struct {
	Users []string        // the ids, as they were written
	Named bool            // there was a list of users, which may be empty
	Since domain.Revision // from which on changes are wanted
	Again bool            // there was a since
}

// Reset lets go of everything that was read.
func (q *Query) Reset() {
	clear(q.Users)
	*q = Query{Users: q.Users[:0]}
}

// Read reads the document, in which both members may be missing. A fault is a *jsonscan.Fault.
func (q *Query) Read(text []byte) error {
	q.Reset()
	s := &jsonscan.Scanner{Text: text}
	readObject(s, func(name string) bool {
		switch name {
		case "users":
			return once(s, name, &q.Named) && q.users(s)
		case "since":
			n, ok := uint64(0), once(s, name, &q.Again)
			if ok {
				n, ok = whole(s, "#/since", revisionForm, 0, MaxRevision)
			}
			q.Since = domain.Revision(n)
			return ok
		}
		return unknown(s, name, "users and since")
	})
	return s.Err()
}

var revisionForm = fmt.Sprintf("a revision: a whole number from 0 to %d", uint64(MaxRevision))

func (q *Query) users(s *jsonscan.Scanner) bool {
	if s.Peek() != '[' {
		return s.Wrong("#/users", "an array")
	}
	s.Enter()
	for first := true; s.Element(first); first = false {
		if len(q.Users) == MaxUsers {
			s.Fault = tooMany("#/users")
			return false
		}
		if s.Peek() != '"' {
			return s.Wrong(fmt.Sprintf("#/users/%d", len(q.Users)), "a string")
		}
		user, ok := s.Str()
		if !ok {
			return false
		}
		q.Users = append(q.Users, view(user))
	}
	s.Depth--
	return s.Fault == nil
}

func tooMany(pointer string) *jsonscan.Fault {
	return &jsonscan.Fault{Pointer: pointer, Detail: fmt.Sprintf("has more than %d entries", MaxUsers), TooMany: true}
}
