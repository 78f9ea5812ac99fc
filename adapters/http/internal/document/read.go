package document

import (
	"strconv"
	"unsafe"

	"github.com/zarafa/presence/adapters/http/internal/jsonscan"
)

// readObject reads a text that is one object. It calls member with the name of each member, which must read the value and report whether
// there was no fault.
func readObject(s *jsonscan.Scanner, member func(name string) bool) {
	if !s.Open() {
		return
	}
	for first := true; ; first = false {
		name, ok := s.Member(first)
		if !ok {
			break
		}
		if !member(view(name)) {
			return
		}
	}
	s.Close()
}

// unknown refuses a member that there is not. It reports false.
func unknown(s *jsonscan.Scanner, name, known string) bool {
	s.Refuse(jsonscan.Pointer(name), "is not known; the members are %s", known)
	return false
}

// once notes that a member is there, and refuses it if it was there before.
func once(s *jsonscan.Scanner, name string, seen *bool) bool {
	if *seen {
		s.Refuse(jsonscan.Pointer(name), "is there twice")
		return false
	}
	*seen = true
	return true
}

// str reads a string.
func str(s *jsonscan.Scanner, pointer string, to *string) bool {
	if s.Peek() != '"' {
		return s.Wrong(pointer, "a string")
	}
	value, ok := s.Str()
	*to = view(value)
	return ok
}

// whole reads a number without a fraction or an exponent.
func whole(s *jsonscan.Scanner, pointer, form string, least, most uint64) (n uint64, ok bool) {
	c := s.Peek()
	begin := s.Pos
	if c != '-' && (c < '0' || c > '9') {
		return 0, s.Wrong(pointer, form)
	}
	if !s.Skip() {
		return 0, false
	}
	n, err := strconv.ParseUint(view(s.Text[begin:s.Pos]), 10, 64)
	if err != nil || n < least || n > most {
		s.Refuse(pointer, "must be %s", form)
		return 0, false
	}
	return n, true
}

// view returns bytes as a string without copying them.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
