package legacy

import (
	"slices"
	"unsafe"

	"github.com/zarafa/presence/adapters/http/internal/legacy/jsonscan"
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
	keyDevice = "device"
	typeUsers = "UserStatus"
)

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
