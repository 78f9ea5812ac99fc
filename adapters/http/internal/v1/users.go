package v1

import "strconv"

// maxPiece is how much of an answer is made in memory at once, in bytes, give or take a user. A larger answer is made while it is sent.
const maxPiece = 256 << 10

// pieces makes the answer about the users that were found, {"revision": 4711, "users": [...]}, piece by piece, in the buffers' memory. An
// answer that is not large is one piece.
func (b *buffers) pieces(yield func([]byte) bool) {
	dst := append(b.appendHead(b.body[:0]), `,"users":[`...)
	for i, id := range b.asked.Users {
		if len(dst) > maxPiece {
			if !yield(dst) {
				return
			}
			dst = dst[:0]
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendUser(dst, id, &b.states[i])
	}
	yield(append(dst, `]}`...))
}

// headSize returns how many bytes at the beginning of the answer tell its revision.
func (b *buffers) headSize() int { return len(b.appendHead(nil)) }

func (b *buffers) appendHead(dst []byte) []byte {
	return strconv.AppendUint(append(dst, `{"revision":`...), uint64(b.revision), 10)
}
