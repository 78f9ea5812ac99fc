package v1

import (
	"strconv"

	"github.com/zarafa/presence/adapters/http/internal/respond"
)

// pieces makes the answer about the users that were found, {"revision": 4711, "users": [...]}, piece by piece, in the buffers' memory. An
// answer that is not large is one piece.
func (b *buffers) pieces(yield func([]byte) bool) {
	entry := func(dst []byte, i int) []byte { return AppendUser(dst, b.asked.Users[i], &b.states[i]) }
	respond.Pieces(append(b.appendHead(b.body[:0]), `,"users":[`...), len(b.asked.Users), entry, b.end(), yield)
}

// end is what stands after the users: of a page of everybody, where the next one begins.
func (b *buffers) end() string {
	switch {
	case !b.page:
		return `]}`
	case b.next == "":
		return `],"next":null}`
	}
	return string(append(respond.AppendString([]byte(`],"next":`), string(b.next)), '}'))
}

// headSize returns how many bytes at the beginning of the answer tell its revision.
func (b *buffers) headSize() int { return len(b.appendHead(nil)) }

func (b *buffers) appendHead(dst []byte) []byte {
	return strconv.AppendUint(append(dst, `{"revision":`...), uint64(b.revision), 10)
}
