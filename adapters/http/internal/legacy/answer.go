package legacy

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/zarafa/presence/adapters/http/internal/jsontext"
	"github.com/zarafa/presence/domain"
)

const (
	answerBegin = `{"Type":"` + typeUsers + `","` + keyUsers + `":[`
	answerEnd   = `]}`
	entryBegin  = `,{"` + keyUser + `":"` // the first entry has no comma
)

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
	next, ok := a.appendPlainEntry(dst, i)
	if ok {
		return next
	}
	if i > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, entryBegin[1:]...)
	dst = jsontext.Append(dst, a.Users[i])
	dst = append(dst, '"')
	for j := range a.Found[i] {
		p := &a.Found[i][j]
		m := middleOf(p.Protocol, p.Status)
		dst = append(dst, m.text[:m.size]...)
		dst = jsontext.Append(dst, p.Message)
		dst = append(dst, `"}`...)
	}
	return append(dst, '}')
}

// appendPlainEntry is appendEntry for the usual entry, in which nothing has to be escaped: it makes room once and then copies blocks
// of constant size. It reports false if the entry is not like that.
func (a Answer) appendPlainEntry(dst []byte, i int) ([]byte, bool) {
	user, found := a.Users[i], a.Found[i]
	room := len(entryBegin) + 8 + len(user)
	for j := range found {
		room += maxMiddle + 8 + len(found[j].Message)
	}
	dst = slices.Grow(dst, room)
	out, at := dst[:cap(dst)], len(dst)
	begin := entryBegin
	if i == 0 {
		begin = entryBegin[1:]
	}
	at += copy(out[at:], begin)
	plain := jsontext.CopyPlain(out[at:], user)
	at += len(user)
	out[at] = '"'
	at++
	for j := range found {
		p := &found[j]
		m := middleOf(p.Protocol, p.Status)
		*(*[maxMiddle]byte)(out[at:]) = m.text
		at += m.size
		plain = jsontext.CopyPlain(out[at:], p.Message) && plain
		at += len(p.Message)
		out[at], out[at+1] = '"', '}'
		at += 2
	}
	out[at] = '}'
	return out[:at+1], plain
}

// maxMiddle is the greatest length of a middle, rounded up for quick copying.
const maxMiddle = 80

// middle is what stands between the end of what is before a protocol and its message.
type middle struct {
	text [maxMiddle]byte
	size int
}

// middles holds, for each protocol that was ever answered, the middle for each status. It is replaced, never changed.
var middles atomic.Pointer[[]protocolMiddles]

type protocolMiddles struct {
	protocol domain.Protocol
	of       [4]middle
}

// middleOf returns the middle for one protocol and status.
func middleOf(protocol domain.Protocol, status domain.Status) *middle {
	if known := middles.Load(); known != nil {
		for i := range *known {
			if m := &(*known)[i]; m.protocol == protocol {
				return &m.of[status&3]
			}
		}
	}
	return &learnMiddles(protocol).of[status&3]
}

// learnMiddles adds a protocol. Names come from the configuration, so there are few.
func learnMiddles(protocol domain.Protocol) *protocolMiddles {
	m := protocolMiddles{protocol: protocol}
	for _, status := range domain.Statuses() {
		text := fmt.Sprintf(`,"%s":{"%s":"%s","%s":"`, protocol, keyStatus, status, keyText)
		m.of[status].size = copy(m.of[status].text[:], text)
	}
	for {
		known := middles.Load()
		var next []protocolMiddles
		if known != nil {
			next = append(next, *known...)
		}
		next = append(next, m)
		if middles.CompareAndSwap(known, &next) {
			return &m
		}
	}
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
