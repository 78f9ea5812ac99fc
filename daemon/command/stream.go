package command

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
)

// maxEventLine is the longest line of an event stream that is read, in bytes: a user's document with a long message on many protocols.
const maxEventLine = 4 << 20

// event is one event of the stream.
type event struct {
	name string // empty if it has none
	id   string // of this event or of the last before it that had one
	data []byte
}

// events reads a stream of server-sent events (HTML Living Standard, 9.2.6).
type events struct {
	lines *bufio.Scanner
	id    string
}

func newEvents(stream io.Reader, id string) *events {
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 0, 64<<10), maxEventLine)
	lines.Split(splitLine)
	return &events{lines: lines, id: id}
}

// splitLine ends a line with CR LF, LF or CR. What is after the last end is no line: the stream broke off.
func splitLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	at := bytes.IndexAny(data, "\r\n")
	switch {
	case at < 0:
		return 0, nil, nil
	case data[at] == '\r' && at+1 == len(data) && !atEOF:
		return 0, nil, nil // a LF may follow
	case bytes.HasPrefix(data[at:], []byte("\r\n")):
		return at + 2, data[:at], nil
	}
	return at + 1, data[:at], nil
}

// next returns the next event that has data. It blocks until there is one; the error is io.EOF if the stream has ended.
func (e *events) next() (event, error) {
	var found event
	for e.lines.Scan() {
		name, value, _ := bytes.Cut(e.lines.Bytes(), []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch field := string(name); {
		case len(e.lines.Bytes()) == 0 && found.data != nil:
			found.id, found.data = e.id, found.data[:len(found.data)-1]
			return found, nil
		case len(e.lines.Bytes()) == 0:
			found = event{}
		case field == "event":
			found.name = string(value)
		case field == "id" && bytes.IndexByte(value, 0) < 0:
			e.id = string(value)
		case field == "data":
			found.data = append(append(found.data, value...), '\n')
		}
	}
	return event{}, cmp.Or(e.lines.Err(), io.EOF)
}
