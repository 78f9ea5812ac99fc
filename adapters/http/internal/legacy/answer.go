package legacy

import (
	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
)

const (
	answerBegin = `{"Type":"` + typeUsers + `","` + keyUsers + `":[`
	answerEnd   = `]}`
)

// afterProtocol is what stands between a protocol's name and its message, for each status.
var afterProtocol = func() (texts [4]string) {
	for _, status := range domain.Statuses() {
		texts[status] = `":{"` + keyStatus + `":"` + status.String() + `","` + keyText + `":`
	}
	return texts
}()

// pieces makes the answer about the users that were found, piece by piece, in the buffers' memory. An answer that is not large is one piece.
func (b *buffers) pieces(yield func([]byte) bool) {
	entry := func(dst []byte, i int) []byte { return appendEntry(dst, b.request.Users[i], b.found[i]) }
	respond.Pieces(append(b.body[:0], answerBegin...), len(b.request.Users), entry, answerEnd, yield)
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
