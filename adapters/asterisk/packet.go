package asterisk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// What a packet may have, in bytes. Asterisk's own are far smaller.
const (
	maxLine   = 64 << 10
	maxPacket = 256 << 10
)

var (
	errLongLine   = fmt.Errorf("a line has more than %d bytes", maxLine)
	errLongPacket = fmt.Errorf("an event has more than %d bytes", maxPacket)
)

// The events that count. All others are skipped, above all PresenceStatus: its note is not escaped, so that it can contain whole events.
const (
	fullyBooted      = "FullyBooted"
	reload           = "Reload"
	shutdown         = "Shutdown"
	extensionStatus  = "ExtensionStatus"
	extensionsListed = "ExtensionStateListComplete"
	presenceChange   = "PresenceStateChange"
	presencesListed  = "PresenceStateListComplete"
)

var events = map[string]string{
	fullyBooted: fullyBooted, reload: reload, shutdown: shutdown,
	extensionStatus: extensionStatus, extensionsListed: extensionsListed,
	presenceChange: presenceChange, presencesListed: presencesListed,
}

// packet is what counts of an event or of a response: the value of each key, of the first if a key is repeated.
type packet struct {
	event      string // one of the events that count, or empty
	response   string // Success or Error; empty: it is no response
	id         string // ActionID: the request that it answers
	message    string // of a presence state it is escaped
	challenge  string
	listItems  string
	exten      string
	context    string
	hint       string
	status     string
	presentity string

	isOther bool // an event that does not count
}

// set takes a line of the packet.
func (p *packet) set(key, value []byte) {
	if p.isOther {
		return
	}
	var field *string
	switch string(key) {
	case "Event":
		p.event = events[string(value)]
		p.isOther = p.event == ""
		return
	case "Response":
		field = &p.response
	case "ActionID":
		field = &p.id
	case "Message":
		field = &p.message
	case "Challenge":
		field = &p.challenge
	case "ListItems":
		field = &p.listItems
	case "Exten":
		field = &p.exten
	case "Context":
		field = &p.context
	case "Hint":
		field = &p.hint
	case "Status":
		field = &p.status
	case "Presentity":
		field = &p.presentity
	default:
		return
	}
	if *field == "" {
		*field = string(value)
	}
}

// packetReader reads packets: lines of a key and a value that end with CR LF, and an empty one. It is for one goroutine.
type packetReader struct {
	buffered *bufio.Reader
	long     []byte // a line that contains line feeds
}

func newPacketReader(from io.Reader) *packetReader {
	return &packetReader{buffered: bufio.NewReaderSize(from, maxLine)}
}

// next returns the next packet that counts. Any error is final.
func (r *packetReader) next() (packet, error) {
	for {
		p, err := r.packet()
		if err != nil || p.response != "" || p.event != "" {
			return p, err
		}
	}
}

func (r *packetReader) packet() (p packet, _ error) {
	for size := 0; ; {
		line, err := r.line()
		switch {
		case err != nil && size > 0:
			return packet{}, unexpected(err)
		case err != nil:
			return packet{}, err
		case len(line) == 0:
			return p, nil
		}
		if size += len(line); size > maxPacket {
			return packet{}, errLongPacket
		}
		key, value, _ := bytes.Cut(line, []byte(":"))
		p.set(key, bytes.TrimPrefix(value, []byte(" ")))
	}
}

// line returns the next line without its end. It is valid until the next call. A line feed alone ends no line: a note may have one.
func (r *packetReader) line() ([]byte, error) {
	line, err := r.buffered.ReadSlice('\n')
	if err == nil && !isWhole(line) {
		r.long = append(r.long[:0], line...)
		for err == nil && !isWhole(r.long) && len(r.long) <= maxLine {
			line, err = r.buffered.ReadSlice('\n')
			r.long = append(r.long, line...)
		}
		line = r.long
	}
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || err == nil && len(line) > maxLine:
		return nil, errLongLine
	case err != nil && len(line) > 0:
		return nil, unexpected(err)
	case err != nil:
		return nil, err
	}
	return line[:len(line)-2], nil
}

func isWhole(line []byte) bool { return bytes.HasSuffix(line, []byte("\r\n")) }

// unexpected is what an error means within a packet.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

var escapes = strings.NewReplacer(`\\`, `\`, `\'`, "'", `\"`, `"`, `\?`, "?", `\n`, "\n", `\r`, "\r", `\t`, "\t",
	`\a`, "\a", `\b`, "\b", `\f`, "\f", `\v`, "\v")

// unescape undoes the escapes of C, as Asterisk writes them. What is none stays as it is.
func unescape(text string) string { return escapes.Replace(text) }
