package v1

import (
	"errors"
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

// Query is a request for some users, {"users": ["markd@zarafa.com"], "groups": ["helpdesk"], "since": 4711}, from the body of a request or from its URL.
// It may be used again for the next request, to save memory, but not concurrently.
type Query struct {
	Users  []string        // the ids, as they were written
	Groups []string        // the names of groups
	Named  bool            // there was a list of users or groups, which may be empty
	Since  domain.Revision // from which on changes are wanted
	Again  bool            // there was a since

	limit int    // of a page of everybody; zero: that was not asked for
	after string // where the page begins
}

// Reset lets go of everything that was read.
func (q *Query) Reset() {
	clear(q.Users)
	clear(q.Groups)
	*q = Query{Users: q.Users[:0], Groups: q.Groups[:0]}
}

var revisionForm = fmt.Sprintf("must be a revision: a whole number from 0 to %d", uint64(MaxRevision))

// ReadBody reads the document, in which all members may be missing. A fault is a *problem.Error.
func (q *Query) ReadBody(text []byte) error {
	q.Reset()
	var document struct {
		Users  member[textList] `json:"users"`
		Groups member[textList] `json:"groups"`
		Since  member[revision] `json:"since"`
	}
	document.Users.value = textList{"users", q.Users}
	document.Groups.value = textList{"groups", q.Groups}
	if err := readObject(text, &document, "users, groups and since"); err != nil {
		return err
	}
	q.Users, q.Groups, q.Named = document.Users.value.texts, document.Groups.value.texts, document.Users.set || document.Groups.set
	q.Since, q.Again = domain.Revision(document.Since.value), document.Since.set
	return nil
}

// textList is a list of users or of groups. What is too long is refused before it is read.
type textList struct {
	name  string // of the member
	texts []string
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *textList) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	if from.PeekKind() != '[' {
		return problem.ComesNext(from, "must be an array")
	}
	_, _ = from.ReadToken() // the bracket
	for from.PeekKind() != ']' {
		if len(l.texts) == MaxUsers {
			return problem.InBody(problem.ErrTooMany, "#/"+l.name, fmt.Sprintf("has more than %d entries", MaxUsers))
		}
		var entry text
		if err := json.UnmarshalDecode(from, &entry); err != nil {
			return err
		}
		l.texts = append(l.texts, string(entry))
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

// ReadURL reads the query of a URL, user=markd@zarafa.com&group=helpdesk&since=4711 (RFC 3986, 2.1). A plus sign stands for itself,
// because ids have some, and no spaces. A fault is a *problem.Error.
func (q *Query) ReadURL(c *fiber.Ctx) error {
	return q.readURL(string(c.Context().URI().QueryString()), q.argument, "user, group and since")
}

// readList is ReadURL for a list, which can also be one of everybody, limit=1000&after=markd@zarafa.com.
func (q *Query) readList(query string) error {
	err := q.readURL(query, q.listArgument, "user, group, since, limit and after")
	switch {
	case err != nil:
		return err
	case q.limit > 0 && (q.Named || q.Again):
		return problem.InParameter(problem.ErrMalformed, "limit", "is for everybody: it excludes user, group and since")
	case q.limit == 0 && q.after != "":
		return problem.InParameter(problem.ErrMalformed, "after", "needs a limit")
	case q.limit == 0 && !q.Named:
		return problem.InParameter(problem.ErrMalformed, "user", "is missing: name the users, user=a@example.test&user=b@example.test, or groups, "+
			"group=helpdesk; a service can ask for everybody, limit=1000")
	}
	return nil
}

// errUnknownArgument is for a parameter that there is not.
var errUnknownArgument = errors.New("unknown parameter")

func (q *Query) readURL(query string, argument func(name, value string) error, known string) error {
	q.Reset()
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		value, err := unescape(value)
		if err != nil {
			return problem.InParameter(problem.ErrMalformed, problem.Clip(name), err.Error())
		}
		if err = argument(name, value); errors.Is(err, errUnknownArgument) {
			return problem.InParameter(problem.ErrMalformed, problem.Clip(name), "is not known; the parameters are "+known)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (q *Query) argument(name, value string) error {
	switch name {
	case "user":
		return q.name(&q.Users, name, value)
	case "group":
		return q.name(&q.Groups, name, value)
	case "since":
		n, err := strconv.ParseUint(value, 10, 64)
		switch {
		case q.Again:
			return problem.InParameter(problem.ErrMalformed, name, "is there twice")
		case err != nil || n > MaxRevision:
			return problem.InParameter(problem.ErrMalformed, name, revisionForm)
		}
		q.Since, q.Again = domain.Revision(n), true
		return nil
	}
	return errUnknownArgument
}

// name adds a user or a group to its list.
func (q *Query) name(list *[]string, name, value string) error {
	if len(*list) == MaxUsers {
		return problem.InParameter(problem.ErrTooMany, name, fmt.Sprintf("is there more than %d times", MaxUsers))
	}
	*list, q.Named = append(*list, value), true
	return nil
}

func (q *Query) listArgument(name, value string) error {
	switch name {
	case "limit":
		n, err := strconv.Atoi(value)
		switch {
		case q.limit != 0:
			return problem.InParameter(problem.ErrMalformed, name, "is there twice")
		case err != nil || n < 1 || n > MaxUsers:
			return problem.InParameter(problem.ErrMalformed, name, fmt.Sprintf("must be a whole number from 1 to %d", MaxUsers))
		}
		q.limit = n
		return nil
	case "after":
		if q.after != "" {
			return problem.InParameter(problem.ErrMalformed, name, "is there twice")
		}
		q.after = value
		return nil
	}
	return q.argument(name, value)
}
