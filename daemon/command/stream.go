package command

import (
	"bufio"
	"bytes"
	"io"
)

// maxEventLine is the longest line of an event stream that is read, in bytes: a user's document with a long message on many protocols.
const maxEventLine = 4 << 20

// event is one event of the stream.
type event struct {
	name string // message if it has none
	id   string // of this event or of the last before it that had one
	data []byte // valid until the next one is read
}

// events reads a stream of server-sent events (HTML Living Standard, 9.2.6).
type events struct {
	lines *bufio.Scanner
	id    string
	data  []byte
	alive func() // called for each line
}

func newEvents(stream io.Reader, id string, alive func()) *events {
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 0, 64<<10), maxEventLine)
	lines.Split(splitLine)
	return &events{lines: lines, id: id, alive: alive}
}

// splitLine ends a line with CR LF, LF or CR. What is after the last end is no line: the stream broke off.
func splitLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	at := bytes.IndexAny(data, "\r\n")
	switch {
	case at < 0:
		return 0, nil, nil
	case data[at] == '\n':
		return at + 1, data[:at], nil
	case at+1 < len(data) && data[at+1] == '\n':
		return at + 2, data[:at], nil
	case at+1 == len(data) && !atEOF:
		return 0, nil, nil // a LF may follow
	}
	return at + 1, data[:at], nil
}

// next returns the next event that has data. It blocks until there is one; the error is io.EOF if the stream has ended.
func (e *events) next() (event, error) {
	var found event
	e.data = e.data[:0]
	lines := 0
	for e.lines.Scan() {
		e.alive()
		line := e.lines.Bytes()
		if len(line) == 0 {
			if lines > 0 {
				found.id, found.data = e.id, e.data
				return found, nil
			}
			found = event{}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(name) {
		case "event":
			found.name = string(value)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				e.id = string(value)
			}
		case "data":
			if lines > 0 {
				e.data = append(e.data, '\n')
			}
			e.data = append(e.data, value...)
			lines++
		}
	}
	if err := e.lines.Err(); err != nil {
		return event{}, err
	}
	return event{}, io.EOF
}
