package legacy

import (
	"github.com/zarafa/presence/adapters/http/internal/jsontext"
	"github.com/zarafa/presence/domain"
)

const (
	answerBegin = `{"Type":"` + typeUsers + `","` + keyUsers + `":[`
	answerEnd   = `]}`
)

// afterProtocol is what stands between a protocol's name and its message, for each status.
var afterProtocol = func() (texts [4]string) {
	for _, status := range domain.Statuses() {
		texts[status] = `":{"` + keyStatus + `":"` + status.String() + `","` + keyText + `":"`
	}
	return texts
}()

// Answer is what was found out about users. It may be used concurrently.
type Answer struct {
	Users []string           // as they were asked
	Found []domain.Presences // what is known of each of them now
}

// Append appends the answer to dst, unless it would make dst longer than most: then it reports false, and what it has
// appended is of no use but its memory.
func (a Answer) Append(dst []byte, most int) ([]byte, bool) {
	dst = append(dst, answerBegin...)
	for i := range a.Users {
		if len(dst) > most {
			return dst, false
		}
		dst = a.appendEntry(dst, i)
	}
	return append(dst, answerEnd...), true
}

// appendEntry appends the i-th entry, and the comma before it.
func (a Answer) appendEntry(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"`+keyUser+`":"`...)
	dst = jsontext.Append(dst, a.Users[i])
	dst = append(dst, '"')
	for j := range a.Found[i] {
		p := &a.Found[i][j]
		dst = append(dst, `,"`...)
		dst = append(dst, p.Protocol.String()...)
		dst = append(dst, afterProtocol[p.Status]...)
		dst = jsontext.Append(dst, p.Message)
		dst = append(dst, `"}`...)
	}
	return append(dst, '}')
}

// Pieces makes the answer piece by piece, in memory of its own, for an answer that is too large to be held in memory.
func (a Answer) Pieces(yield func([]byte) bool) {
	const size = 64 << 10 // give or take an entry
	buffer := append(make([]byte, 0, size+size/4), answerBegin...)
	for i := range a.Users {
		buffer = a.appendEntry(buffer, i)
		if len(buffer) >= size {
			if !yield(buffer) {
				return
			}
			buffer = buffer[:0]
		}
	}
	yield(append(buffer, answerEnd...))
}

// Size returns exactly how many bytes the answer has. It makes it once to find out.
func (a Answer) Size() (size int) {
	for piece := range a.Pieces {
		size += len(piece)
	}
	return size
}
