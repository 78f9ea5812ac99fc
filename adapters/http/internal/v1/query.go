package v1

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
)

const (
	// MaxUsers is how many users one request may ask for.
	MaxUsers = 10_000

	// MaxRevision is the greatest revision that every JSON implementation can tell from its neighbours (RFC 8259, section 6).
	MaxRevision = 1<<53 - 1
)

// Query is a request for some users, {"users": ["markd@zarafa.com"], "since": 4711}, from the body of a request or from its URL. It may
// be used again for the next request, to save memory, but not concurrently.
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

var revisionForm = fmt.Sprintf("must be a revision: a whole number from 0 to %d", uint64(MaxRevision))

// ReadBody reads the document, in which both members may be missing. A fault is a *problem.Error.
func (q *Query) ReadBody(text []byte) error {
	q.Reset()
	var document struct {
		Users member[userList] `json:"users"`
		Since member[revision] `json:"since"`
	}
	document.Users.value = q.Users
	if err := readObject(text, &document, "users and since"); err != nil {
		return err
	}
	q.Users, q.Named = document.Users.value, document.Users.set
	q.Since, q.Again = domain.Revision(document.Since.value), document.Since.set
	return nil
}

// userList is the list of users. What is too long is refused before it is read.
type userList []string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (u *userList) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	if from.PeekKind() != '[' {
		return problem.ComesNext(from, "must be an array")
	}
	_, _ = from.ReadToken() // the bracket
	for from.PeekKind() != ']' {
		if len(*u) == MaxUsers {
			return problem.InBody(problem.ErrTooMany, "#/users", fmt.Sprintf("has more than %d entries", MaxUsers))
		}
		var user text
		if err := json.UnmarshalDecode(from, &user); err != nil {
			return err
		}
		*u = append(*u, string(user))
	}
	_, err := from.ReadToken()
	return err
}

// revision is the number of a revision.
type revision uint64

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (r *revision) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	n, err := wholeNumber(from, 0, MaxRevision, revisionForm, revisionForm)
	*r = revision(n)
	return err
}

// ReadURL reads the query of a URL, user=markd@zarafa.com&user=alice@example.test&since=4711 (RFC 3986, 2.1). A plus sign stands for itself,
// because ids have some, and no spaces. A fault is a *problem.Error.
func (q *Query) ReadURL(c *fiber.Ctx) error {
	return q.readURL(string(c.Context().URI().QueryString()))
}

func (q *Query) readURL(query string) error {
	q.Reset()
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if err := q.argument(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (q *Query) argument(name, value string) error {
	value, err := unescape(value)
	if err != nil {
		return problem.InParameter(problem.ErrMalformed, problem.Clip(name), err.Error())
	}
	switch name {
	case "user":
		if len(q.Users) == MaxUsers {
			return problem.InParameter(problem.ErrTooMany, name, fmt.Sprintf("is there more than %d times", MaxUsers))
		}
		q.Users, q.Named = append(q.Users, value), true
	case "since":
		n, err := strconv.ParseUint(value, 10, 64)
		switch {
		case q.Again:
			return problem.InParameter(problem.ErrMalformed, name, "is there twice")
		case err != nil || n > MaxRevision:
			return problem.InParameter(problem.ErrMalformed, name, revisionForm)
		}
		q.Since, q.Again = domain.Revision(n), true
	default:
		return problem.InParameter(problem.ErrMalformed, problem.Clip(name), "is not known; the parameters are user and since")
	}
	return nil
}
