package legacy

import (
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
)

const (
	answerBegin = `{"Type":"` + typeUsers + `","` + keyUsers + `":[`
	answerEnd   = `]}`
)

// maxPiece is how much of an answer is made in memory at once, in bytes, give or take an entry. A larger one is made while it is sent: an answer
// may have hundreds of megabytes, since a request can name one user with a long message very often.
const maxPiece = 256 << 10

// afterProtocol is what stands between a protocol's name and its message, for each status.
var afterProtocol = func() (texts [4]string) {
	for _, status := range domain.Statuses() {
		texts[status] = `":{"` + keyStatus + `":"` + status.String() + `","` + keyText + `":`
	}
	return texts
}()

// pieces makes the answer about the users that were found, piece by piece, in the buffers' memory. An answer that is not large is one piece.
func (b *buffers) pieces(yield func([]byte) bool) {
	dst := append(b.body[:0], answerBegin...)
	for i, user := range b.request.Users {
		if len(dst) > maxPiece {
			if !yield(dst) {
				return
			}
			dst = dst[:0]
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendEntry(dst, user, b.found[i])
	}
	yield(append(dst, answerEnd...))
}

// appendEntry appends the entry of a user, as it was asked for.
func appendEntry(dst []byte, user string, found domain.Presences) []byte {
	dst = append(dst, `{"`+keyUser+`":`...)
	dst = respond.AppendString(dst, user)
	for i := range found {
		p := &found[i]
		dst = append(dst, `,"`...)
		dst = append(dst, p.Protocol.String()...)
		dst = append(dst, afterProtocol[p.Status]...)
		dst = respond.AppendString(dst, p.Message)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
