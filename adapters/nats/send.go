package nats

import (
	"strconv"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// The headers of a message that the engine acts upon.
const (
	headerExpect    = "Nats-Expected-Last-Subject-Sequence"
	headerBatch     = "Nats-Batch-Id"
	headerPlace     = "Nats-Batch-Sequence"
	headerCommit    = "Nats-Batch-Commit"
	headerLife      = "Nats-TTL"
	headerOperation = "KV-Operation"
	headerMarker    = "Nats-Marker-Reason"

	operationDelete = "DEL"
)

// tombstoneLife is how long the engine remembers that a presence was removed.
const tombstoneLife = 24 * time.Hour

// buffers are for the texts of one message.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

type buffer struct{ subject, record []byte }

// send hands a commit to the connection. The writer's lock is held, so commits are sent in order.
func (w *writer) send(c *commit) error {
	reply := w.inbox + strconv.FormatUint(c.number, 36)
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	if len(c.writes) == 1 && w.alone && !c.writes[0].next.Gone {
		w.render(b, &c.writes[0])
		if err := w.store.conn.PublishRequest(string(b.subject), reply, b.record); err != nil {
			return unavailable(err)
		}
		return nil
	}
	batch := w.prefix + strconv.FormatUint(c.number, 36)
	for i := range c.writes {
		w.render(b, &c.writes[i])
		msg := natsgo.Msg{Subject: string(b.subject), Data: b.record, Header: w.header(&c.writes[i])}
		if len(c.writes) > 1 {
			msg.Header[headerBatch] = []string{batch}
			msg.Header[headerPlace] = []string{strconv.Itoa(i + 1)}
		}
		if i == len(c.writes)-1 {
			msg.Reply = reply
			if len(c.writes) > 1 {
				msg.Header[headerCommit] = []string{"1"}
			}
		}
		if err := w.store.conn.PublishMsg(&msg); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// render writes the subject and the record of a write.
func (w *writer) render(b *buffer, change *write) {
	b.subject = appendKey(append(b.subject[:0], w.store.bucket.subject...), change.protocol, change.user)
	b.record = b.record[:0]
	if !change.next.Gone {
		b.record = appendRecord(b.record, change.next, change.change)
	}
}

// header is what the engine has to know of a write besides the record.
func (w *writer) header(change *write) natsgo.Header {
	header := natsgo.Header{}
	if !w.alone {
		header[headerExpect] = []string{strconv.FormatUint(change.version, 10)}
	}
	if change.next.Gone {
		header[headerOperation] = []string{operationDelete}
		header[headerLife] = []string{tombstoneLife.String()}
	}
	return header
}
