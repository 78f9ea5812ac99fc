package v1

import (
	"strconv"

	"github.com/zarafa/presence/domain"
)

// users is the answer about some users, {"revision": 4711, "users": [...]}.
type users struct {
	revision domain.Revision
	ids      []string // the users, as they were asked for
	states   []domain.State
}

// head returns how many bytes at the beginning of the document tell its revision.
func (u *users) head() int { return len(u.appendHead(nil)) }

func (u *users) appendHead(dst []byte) []byte {
	dst = append(dst, `{"revision":`...)
	return strconv.AppendUint(dst, uint64(u.revision), 10)
}

// document is a document of users that is written piece by piece.
type document struct {
	users *users
	next  int // the user that comes next
	ended bool
}

// newDocument begins the document. The users must not change until it is written.
func newDocument(users *users) *document { return &document{users: users} }

// more reports whether there is another piece.
func (d *document) more() bool { return !d.ended }

// pieceSize is how large a piece is, give or take a user.
const pieceSize = 32 << 10

// append appends the next piece.
func (d *document) append(dst []byte) []byte {
	if d.next == 0 {
		dst = append(d.users.appendHead(dst), `,"users":[`...)
	}
	for end := len(dst) + pieceSize; d.next < len(d.users.ids) && len(dst) < end; d.next++ {
		if d.next > 0 {
			dst = append(dst, ',')
		}
		dst = AppendUser(dst, d.users.ids[d.next], &d.users.states[d.next])
	}
	if d.next == len(d.users.ids) {
		dst, d.ended = append(dst, `]}`...), true
	}
	return dst
}
