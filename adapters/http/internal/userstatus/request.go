// Package userstatus reads and writes the documents of the original HTTP API: the request, which is the same for all methods,
//
//	{"AuthenticationToken": "...", "Type": "UserStatus",
//	 "UserStatus": [{"user_id": "markd@zarafa.com", "spreed": {"status": "available", "message": "feeling chatty.."}}]}
//
// and the answer, which has the same shape without the token. Package http, whose every request comes through here, is its only caller.
//
// It is a reader for exactly this document, because nothing general is both strict and quick enough: it refuses what is not
// JSON (RFC 8259), text that is not UTF-8, half surrogate pairs, a repeated name where it would matter which one counts, and
// deep nesting; and it allocates nothing.
package userstatus

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"github.com/zarafa/presence/adapters/http/internal/jsonscan"
	"github.com/zarafa/presence/domain"
)

const (
	// MaxUsers is how many entries a request may have.
	MaxUsers = 10_000

	// MaxProtocols is how many protocols one entry may have. It is far more than there are, and bounds the search for repetitions.
	MaxProtocols = 64
)

// The names in the documents.
const (
	keyToken  = "AuthenticationToken"
	keyType   = "Type"
	keyUsers  = "UserStatus"
	keyUser   = "user_id"
	keyStatus = "status"
	keyText   = "message"
	typeUsers = "UserStatus"
)

// Fault says what is wrong with the form of a request. It is an error.
type Fault = jsonscan.Fault

// Request is a request that was read. Its strings are parts of the text, which reading changes: whatever outlives the text must be
// copied. It may be used again for the next request, to save memory, but not concurrently.
type Request struct {
	Token   string          // empty if there is none
	Users   []string        // the user ids, one for each entry, as they were written
	Updates []domain.Update // what ReadUpdate found, entry by entry

	entries []int32 // for each update, which entry it stands in

	scan      jsonscan.Scanner
	update    bool     // the protocols are wanted
	protocols [][]byte // the names of the current entry's protocols
}

// ReadQuery reads the text of a query. The protocols in its entries are checked for their form and forgotten. A fault is a *Fault.
func (r *Request) ReadQuery(text []byte) error { return r.read(text, false) }

// ReadUpdate reads the text of an update. A fault is a *Fault.
func (r *Request) ReadUpdate(text []byte) error { return r.read(text, true) }

// Entry returns which entry, from 0, the i-th update stands in.
func (r *Request) Entry(i int) int { return int(r.entries[i]) }

// AddUpdate appends an update as if it stood in the given entry.
func (r *Request) AddUpdate(entry int, update domain.Update) {
	r.Updates = append(r.Updates, update)
	r.entries = append(r.entries, int32(entry))
}

// Bare returns the entries that set no protocol.
func (r *Request) Bare() []int {
	var bare []int
	next := 0
	for entry := range r.Users {
		if next < len(r.entries) && r.Entry(next) == entry {
			for next < len(r.entries) && r.Entry(next) == entry {
				next++
			}
			continue
		}
		bare = append(bare, entry)
	}
	return bare
}

// Reset lets go of everything that was read.
func (r *Request) Reset() {
	clear(r.Users)
	clear(r.Updates)
	*r = Request{Users: r.Users[:0], Updates: r.Updates[:0], entries: r.entries[:0], protocols: r.protocols[:0]}
}

func (r *Request) read(text []byte, update bool) error {
	r.Reset()
	r.scan = jsonscan.Scanner{Text: text}
	r.update = update
	r.document()
	return r.scan.Err()
}

// fail records a fault of the document's form.
func (r *Request) fail(pointer, format string, args ...any) { r.scan.Refuse(pointer, format, args...) }

func (r *Request) document() {
	if r.scan.Open() {
		r.members()
		r.scan.Close()
	}
}

// The members of the document that are read, as bits.
const (
	seenToken = 1 << iota
	seenType
	seenUsers
)

func (r *Request) members() {
	var seen uint8
	for first := true; ; first = false {
		name, ok := r.scan.Member(first)
		if !ok {
			break
		}
		var bit uint8
		switch string(name) {
		case keyToken:
			bit = seenToken
			r.Token, ok = r.text("#/" + keyToken)
		case keyType:
			bit = seenType
			ok = r.kind()
		case keyUsers:
			bit = seenUsers
			ok = seen&bit == 0 && r.users()
		default:
			ok = r.scan.Skip()
		}
		if seen&bit != 0 {
			r.fail("#/"+string(name), "is there twice")
		}
		if !ok {
			return
		}
		seen |= bit
	}
	switch {
	case seen&seenType == 0:
		r.fail("#/"+keyType, "is missing; expected %q", typeUsers)
	case seen&seenUsers == 0:
		r.fail("#/"+keyUsers, "is missing; expected an array")
	}
}

// kind reads the type of the document: there is only one.
func (r *Request) kind() bool {
	kind, ok := r.text("#/" + keyType)
	if ok && kind != typeUsers {
		r.fail("#/"+keyType, "must be %q", typeUsers)
		return false
	}
	return ok
}

// text reads a string that is needed only as long as the text is.
func (r *Request) text(pointer string) (string, bool) {
	if r.scan.Peek() != '"' {
		return "", r.scan.Wrong(pointer, "a string")
	}
	value, ok := r.scan.Str()
	return unsafe.String(unsafe.SliceData(value), len(value)), ok
}

func (r *Request) users() bool {
	s := &r.scan
	if s.Peek() != '[' {
		return r.scan.Wrong("#/"+keyUsers, "an array")
	}
	s.Enter()
	for first := true; s.Element(first); first = false {
		if len(r.Users) == MaxUsers {
			s.Fault = &Fault{Pointer: "#/" + keyUsers, Detail: fmt.Sprintf("has more than %d entries", MaxUsers), TooMany: true}
			return false
		}
		if !r.bareEntry() && !r.entry() {
			return false
		}
	}
	s.Depth--
	return s.Fault == nil
}

// bareEntry reads an entry that is nothing but a user id, written in the usual way: most entries of long queries are. Anything else it
// leaves to entry.
func (r *Request) bareEntry() bool {
	const usual = `{"` + keyUser + `":`
	s := &r.scan
	at := s.Pos + len(usual)
	if at+1 >= len(s.Text) || string(s.Text[s.Pos:at]) != usual {
		return false
	}
	if s.Text[at] == ' ' {
		at++
	}
	if s.Text[at] != '"' {
		return false
	}
	at++
	end := jsonscan.Special(s.Text, at)
	if end+1 >= len(s.Text) || s.Text[end] != '"' || s.Text[end+1] != '}' {
		return false
	}
	r.Users = append(r.Users, unsafe.String(&s.Text[at], end-at))
	s.Pos = end + 2
	return true
}

// entry reads what is said of one user.
func (r *Request) entry() bool {
	s := &r.scan
	at := len(r.Users)
	if s.Peek() != '{' {
		return r.scan.Wrong(Pointer(at), "an object")
	}
	s.Enter()
	r.Users = append(r.Users, "")
	found, begin := false, len(r.Updates)
	r.protocols = r.protocols[:0]
	for first := true; ; first = false {
		name, ok := s.Member(first)
		if !ok {
			break
		}
		if string(name) == keyUser {
			if found {
				r.fail(Pointer(at, keyUser), "is there twice")
				return false
			}
			found = true
			if s.Peek() != '"' {
				return r.scan.Wrong(Pointer(at, keyUser), "a string")
			}
			value, ok := s.Str()
			if !ok {
				return false
			}
			r.Users[at] = unsafe.String(unsafe.SliceData(value), len(value))
			continue
		}
		if !r.newProtocol(at, name) || !r.protocol(at, name) {
			return false
		}
	}
	if s.Fault == nil && !found {
		r.fail(Pointer(at, keyUser), "is missing")
	}
	for i := begin; i < len(r.Updates); i++ {
		r.Updates[i].User = r.Users[at] // who may stand behind the protocols
	}
	s.Depth--
	return s.Fault == nil
}

// newProtocol notes a protocol's name, which must not be one of those that the entry has already.
func (r *Request) newProtocol(entry int, name []byte) bool {
	if len(r.protocols) == MaxProtocols {
		r.fail(Pointer(entry), "has more than %d protocols", MaxProtocols)
		return false
	}
	for _, other := range r.protocols {
		if bytes.Equal(other, name) {
			r.fail(Pointer(entry, string(name)), "is there twice")
			return false
		}
	}
	r.protocols = append(r.protocols, name)
	return true
}

// protocol reads what an entry says about one protocol.
func (r *Request) protocol(entry int, name []byte) bool {
	s := &r.scan
	if s.Peek() != '{' {
		if s.Skip() {
			r.fail(Pointer(entry, string(name)), "must be an object")
		}
		return false
	}
	s.Enter()
	var status, message string
	var hasStatus, hasMessage bool
	for first := true; ; first = false {
		key, ok := s.Member(first)
		if !ok {
			break
		}
		switch string(key) {
		case keyStatus:
			ok = r.field(entry, name, keyStatus, &status, &hasStatus)
		case keyText:
			ok = r.field(entry, name, keyText, &message, &hasMessage)
		default:
			ok = s.Skip()
		}
		if !ok {
			return false
		}
	}
	if s.Fault == nil && !hasStatus {
		r.fail(Pointer(entry, string(name), keyStatus), "is missing")
	}
	s.Depth--
	if s.Fault != nil {
		return false
	}
	if r.update {
		r.AddUpdate(entry, domain.Update{Protocol: unsafe.String(unsafe.SliceData(name), len(name)), Status: status, Message: message})
	}
	return true
}

// field reads one string of a protocol's object.
func (r *Request) field(entry int, protocol []byte, key string, to *string, seen *bool) bool {
	s := &r.scan
	if *seen {
		r.fail(Pointer(entry, string(protocol), key), "is there twice")
		return false
	}
	*seen = true
	if s.Peek() != '"' {
		if s.Skip() {
			r.fail(Pointer(entry, string(protocol), key), "must be a string")
		}
		return false
	}
	value, ok := s.Str()
	*to = unsafe.String(unsafe.SliceData(value), len(value))
	return ok
}

// Pointer returns a JSON pointer, as a URI fragment, to an entry or to what the given path leads to within it.
func Pointer(entry int, path ...string) string {
	return jsonscan.Pointer(slices.Concat([]string{keyUsers, strconv.Itoa(entry)}, path)...)
}

// PointerTo returns the pointer to the part of an entry that a problem is about.
func PointerTo(entry int, field domain.Field, protocol string) string {
	switch field {
	case domain.FieldProtocol:
		return Pointer(entry, protocol)
	case domain.FieldStatus:
		return Pointer(entry, protocol, keyStatus)
	case domain.FieldMessage:
		return Pointer(entry, protocol, keyText)
	case domain.FieldUser:
	}
	return Pointer(entry, keyUser)
}
