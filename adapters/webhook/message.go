package webhook

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/zarafa/presence/domain"
)

// Document appends a user's document: the one that API v1 has.
type Document func(dst []byte, id string, state *domain.State) []byte

// The types of messages.
const (
	typeChanged = "presence.changed"
	typeTest    = "presence.test"
)

const (
	maxBody    = 20_000 // bytes of a message, as Standard Webhooks recommends
	maxClipped = 2048   // bytes of a status message in a message that would be too large
)

// message is what is sent, and sent again until it is taken.
type message struct {
	id   string
	body []byte
}

// fingerprint stands for what the receiver has asked to be told of a state.
type fingerprint [16]byte

// fingerprint returns what stands for the part of a state that the receiver has asked for.
func (x *Exporter) fingerprint(state *domain.State) fingerprint {
	asked := make([]byte, 0, 128)
	if x.events[eventStatus] {
		asked = append(asked, byte(state.Unified.Status))
	}
	asked = append(asked, 0xff)
	if x.events[eventMessage] {
		asked = append(asked, state.Unified.Message...)
	}
	asked = append(asked, 0xff)
	if x.events[eventActivity] {
		asked = append(asked, byte(state.Unified.Activity))
	}
	sum := sha256.Sum256(asked)
	return fingerprint(sum[:len(fingerprint{})])
}

// idOf returns the id of the message about a state: always the same, also after a restart and from another daemon, so that a receiver that was told
// twice can know. renewal tells states apart that have changed, and changed back, without a change of the user; else it is 0. No renewal has that of
// another one, also before a restart, or the receiver would drop what it has not been told.
func (x *Exporter) idOf(state *domain.State, of fingerprint, renewal uint64) string {
	const size = 18 // bytes: more than a UUID
	text := append([]byte(x.config.Name), 0)
	text = append(append(text, state.User...), 0)
	text = binary.LittleEndian.AppendUint64(text, uint64(state.Revision))
	text = binary.LittleEndian.AppendUint64(text, renewal)
	sum := sha256.Sum256(append(text, of[:]...))
	return "msg_" + base64.RawURLEncoding.EncodeToString(sum[:size])
}

// message renders the message about a state that has changed at a moment. What makes it too large is left out: the messages of the protocols, then the
// protocols, and then the end of the message.
func (x *Exporter) message(state domain.State, id string, at time.Time) message {
	body := x.render(&state, at)
	if len(body) > maxBody {
		state.Presences = slices.Clone(state.Presences)
		for i := range state.Presences {
			state.Presences[i].Message = ""
		}
		body = x.render(&state, at)
	}
	if len(body) > maxBody {
		state.Presences = nil
		body = x.render(&state, at)
	}
	if len(body) > maxBody {
		cut := maxClipped
		for cut > 0 && !utf8.RuneStart(state.Unified.Message[cut]) {
			cut--
		}
		state.Unified.Message = state.Unified.Message[:cut]
		body = x.render(&state, at)
	}
	return message{id, body}
}

func (x *Exporter) render(state *domain.State, at time.Time) []byte {
	return append(x.document(begin(typeChanged, at), string(state.User), state), '}')
}

// begin begins a message, up to its data.
func begin(kind string, at time.Time) []byte {
	dst := append([]byte(`{"type":"`), kind...)
	dst = append(dst, `","timestamp":"`...)
	dst = at.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	return append(dst, `","data":`...)
}

// testMessage is a message about nobody.
func testMessage(name string, now time.Time) message {
	body := append(begin(typeTest, now), `{"webhook":"`+name+`"}}`...)
	return message{"msg_test_" + strconv.FormatInt(now.UnixNano(), 36), body}
}
