package v1

import (
	"strconv"

	"github.com/zarafa/presence/adapters/http/internal/respond"
)

// pieces makes the answer about the users that were found, {"revision": 4711, "users": [...]}, piece by piece, in the buffers' memory. An
// answer that is not large is one piece.
func (b *buffers) pieces(yield func([]byte) bool) {
	entry := func(dst []byte, i int) []byte { return AppendUser(dst, b.asked.Users[i], &b.states[i]) }
	respond.Pieces(append(b.appendHead(b.body[:0]), `,"users":[`...), len(b.asked.Users), entry, `]}`, yield)
}

// headSize returns how many bytes at the beginning of the answer tell its revision.
func (b *buffers) headSize() int { return len(b.appendHead(nil)) }

func (b *buffers) appendHead(dst []byte) []byte {
	return strconv.AppendUint(append(dst, `{"revision":`...), uint64(b.revision), 10)
}
