package legacy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
)

const (
	// MaxUsers is how many entries a request may have.
	MaxUsers = 10_000

	// MaxProtocols is how many protocols one entry may have. It is far more than there are, and bounds the search for repetitions.
	MaxProtocols = 64

	// MaxDepth is how deeply arrays and objects may be nested.
	MaxDepth = 64
)

// The names in the documents.
const (
	keyToken  = "AuthenticationToken"
	keyType   = "Type"
	keyUsers  = "UserStatus"
	keyUser   = "user_id"
	keyStatus = "status"
	keyText   = "message"
	keyDevice = "device"
	typeUsers = "UserStatus"
)

// Request is a request that was read. Its strings may be parts of the text: whatever outlives the text must be copied. It may be used again
// for the next request, to save memory, but not concurrently.
type Request struct {
	Token   string          // empty if there is none
	Users   []string        // the user ids, one for each entry, as they were written
	Updates []domain.Update // what ReadUpdate found, entry by entry

	entries []int32 // for each update, which entry it stands in

	text      bytes.Buffer
	from      *jsontext.Decoder // reads text
	update    bool              // the protocols are wanted
	protocols []string          // the names of the current entry's protocols
}

// ReadQuery reads the text of a query. The protocols in its entries are checked for their form and forgotten. A fault is a *problem.Error.
func (r *Request) ReadQuery(text []byte) error { return r.read(text, false) }

// ReadUpdate reads the text of an update. A fault is a *problem.Error.
func (r *Request) ReadUpdate(text []byte) error { return r.read(text, true) }

// Entry returns which entry, from 0, the i-th update stands in.
func (r *Request) Entry(i int) int { return int(r.entries[i]) }

// Bare reports whether an entry sets no protocol.
func (r *Request) Bare(entry int) bool {
	_, sets := slices.BinarySearch(r.entries, int32(entry))
	return !sets
}

// Reset lets go of everything that was read.
func (r *Request) Reset() {
	clear(r.Users)
	clear(r.Updates)
	clear(r.protocols)
	*r = Request{Users: r.Users[:0], Updates: r.Updates[:0], entries: r.entries[:0], protocols: r.protocols[:0], from: r.from}
}

// allow lets members stand twice that nobody knows. Of the others once takes care.
var allow = jsontext.AllowDuplicateNames(true)

func (r *Request) read(text []byte, update bool) error {
	r.Reset()
	if r.update = update; r.usual(text) {
		return nil
	}
	r.Reset()
	r.update = update
	return r.any(text)
}

// any reads any document. The decoder refuses what is not JSON (RFC 8259), text that is not UTF-8, and half surrogate pairs.
func (r *Request) any(text []byte) error {
	if r.from == nil {
		r.from = jsontext.NewDecoder(&r.text, allow)
	}
	r.text = *bytes.NewBuffer(text)
	err := r.document()
	if err == nil {
		_, err = r.from.ReadToken()
		switch {
		case err == nil:
			err = problem.Malformed("not valid JSON: something follows the object")
		case errors.Is(err, io.EOF):
			err = nil
		}
	}
	r.text = bytes.Buffer{}
	r.from.Reset(&r.text, allow) // lets go of the text
	return problem.Unreadable(err)
}

func (r *Request) document() error {
	var token, kind, users bool
	err := r.object(func(name string) error {
		switch name {
		case keyToken:
			return r.member(&token, &r.Token)
		case keyType:
			var text string
			if err := r.member(&kind, &text); err != nil {
				return err
			}
			if text != typeUsers {
				return problem.ReadLast(r.from, fmt.Sprintf("must be %q", typeUsers))
			}
			return nil
		case keyUsers:
			if err := r.once(&users); err != nil {
				return err
			}
			return r.users()
		}
		return r.skip()
	})
	switch {
	case err != nil:
		return err
	case !kind:
		return problem.InBody(problem.ErrMalformed, "#/"+keyType, fmt.Sprintf("is missing; expected %q", typeUsers))
	case !users:
		return problem.InBody(problem.ErrMalformed, "#/"+keyUsers, "is missing; expected an array")
	}
	return nil
}

// users reads the list of entries.
func (r *Request) users() error {
	if r.from.PeekKind() != '[' {
		return problem.ComesNext(r.from, "must be an array")
	}
	_, _ = r.from.ReadToken() // the bracket
	for r.from.PeekKind() != ']' {
		if len(r.Users) == MaxUsers {
			return problem.InBody(problem.ErrTooMany, "#/"+keyUsers, fmt.Sprintf("has more than %d entries", MaxUsers))
		}
		if err := r.entry(); err != nil {
			return err
		}
	}
	_, err := r.from.ReadToken()
	return err
}

// entry reads what is said of one user.
func (r *Request) entry() error {
	at, begin, found := len(r.Users), len(r.Updates), false
	r.Users = append(r.Users, "")
	r.protocols = r.protocols[:0]
	err := r.object(func(name string) error {
		switch {
		case name == keyUser:
			return r.member(&found, &r.Users[at])
		case len(r.protocols) == MaxProtocols:
			return problem.InBody(problem.ErrMalformed, Pointer(at), fmt.Sprintf("has more than %d protocols", MaxProtocols))
		}
		again := slices.Contains(r.protocols, name)
		if err := r.once(&again); err != nil {
			return err
		}
		r.protocols = append(r.protocols, name)
		return r.protocol(at, name)
	})
	if err == nil && !found {
		err = problem.InBody(problem.ErrMalformed, Pointer(at, keyUser), "is missing")
	}
	for i := begin; i < len(r.Updates); i++ {
		r.Updates[i].User = r.Users[at] // who may stand behind the protocols
	}
	return err
}

// protocol reads what an entry says about one protocol.
func (r *Request) protocol(entry int, name string) error {
	said := domain.Update{Protocol: name}
	var status, message bool
	err := r.object(func(key string) error {
		switch key {
		case keyStatus:
			return r.member(&status, &said.Status)
		case keyText:
			return r.member(&message, &said.Message)
		}
		return r.skip()
	})
	if err == nil && !status {
		err = problem.InBody(problem.ErrMalformed, Pointer(entry, name, keyStatus), "is missing")
	}
	if r.update {
		r.Updates, r.entries = append(r.Updates, said), append(r.entries, int32(entry))
	}
	return err
}

// object reads an object. After each name it calls visit, which reads the value.
func (r *Request) object(visit func(name string) error) error {
	if r.from.PeekKind() != '{' {
		return problem.ComesNext(r.from, "must be an object")
	}
	_, _ = r.from.ReadToken() // the brace
	for r.from.PeekKind() == '"' {
		name, err := r.str()
		if err == nil {
			err = visit(name)
		}
		if err != nil {
			return err
		}
	}
	_, err := r.from.ReadToken()
	return err
}

// member reads a string that may be there once.
func (r *Request) member(seen *bool, to *string) (err error) {
	if err = r.once(seen); err == nil {
		*to, err = r.str()
	}
	return err
}

// once refuses a name, which was read last, if it was seen before.
func (r *Request) once(seen *bool) error {
	if *seen {
		return problem.ReadLast(r.from, "is there twice")
	}
	*seen = true
	return nil
}

// str reads a string. It is a part of the text unless something in it is escaped.
func (r *Request) str() (string, error) {
	if r.from.PeekKind() != '"' {
		return "", problem.ComesNext(r.from, "must be a string")
	}
	value, err := r.from.ReadValue()
	if err != nil {
		return "", err
	}
	if bytes.IndexByte(value, '\\') >= 0 {
		value, err = jsontext.AppendUnquote(nil, value)
	} else {
		value = value[1 : len(value)-1]
	}
	return unsafe.String(unsafe.SliceData(value), len(value)), err
}

// skip reads a value of any kind and forgets it.
func (r *Request) skip() error {
	for depth := r.from.StackDepth(); ; {
		if _, err := r.from.ReadToken(); err != nil {
			return err
		}
		switch now := r.from.StackDepth(); {
		case now == depth:
			return nil
		case now > MaxDepth:
			return problem.Malformed("not valid JSON at byte %d: nested more than %d deep", r.from.InputOffset(), MaxDepth)
		}
	}
}
