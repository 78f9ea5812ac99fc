package document

import (
	"strconv"

	"github.com/zarafa/presence/domain"
)

// Users is the answer about some users, {"revision": 4711, "users": [...]}.
type Users struct {
	Revision domain.Revision
	IDs      []string // the users, as they were asked for
	States   []domain.State
}

// Head returns how many bytes at the beginning of the document tell its revision.
func (u *Users) Head() int { return len(u.appendHead(nil)) }

func (u *Users) appendHead(dst []byte) []byte {
	dst = append(dst, `{"revision":`...)
	return strconv.AppendUint(dst, uint64(u.Revision), 10)
}

// Text is a document of users that is written piece by piece.
type Text struct {
	users *Users
	next  int // the user that comes next
	ended bool
}

// NewText begins the document. The users must not change until it is written.
func NewText(users *Users) *Text { return &Text{users: users} }

// More reports whether there is another piece.
func (t *Text) More() bool { return !t.ended }

// pieceSize is how large a piece is, give or take a user.
const pieceSize = 32 << 10

// Append appends the next piece.
func (t *Text) Append(dst []byte) []byte {
	if t.next == 0 {
		dst = append(t.users.appendHead(dst), `,"users":[`...)
	}
	for end := len(dst) + pieceSize; t.next < len(t.users.IDs) && len(dst) < end; t.next++ {
		if t.next > 0 {
			dst = append(dst, ',')
		}
		dst = AppendUser(dst, t.users.IDs[t.next], &t.users.States[t.next])
	}
	if t.next == len(t.users.IDs) {
		dst, t.ended = append(dst, `]}`...), true
	}
	return dst
}
