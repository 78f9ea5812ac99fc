package legacy

import (
	"bytes"
	"fmt"
	"unsafe"

	"github.com/zarafa/presence/adapters/http/internal/legacy/jsonscan"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
)

// users reads the list of entries.
func (r *Request) users() bool {
	s := &r.scan
	if s.Peek() != '[' {
		return s.Wrong("#/"+keyUsers, "an array")
	}
	s.Enter()
	for first := true; s.Element(first); first = false {
		if len(r.Users) == MaxUsers {
			s.Fault = problem.InBody(problem.ErrTooMany, "#/"+keyUsers, fmt.Sprintf("has more than %d entries", MaxUsers))
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
		return s.Wrong(Pointer(at), "an object")
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
				return s.Wrong(Pointer(at, keyUser), "a string")
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
		r.Updates = append(r.Updates, domain.Update{Protocol: unsafe.String(unsafe.SliceData(name), len(name)), Status: status, Message: message})
		r.entries = append(r.entries, int32(entry))
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
