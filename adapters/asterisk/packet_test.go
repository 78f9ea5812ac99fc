package asterisk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/zarafa/presence/internal/asterisktest"
)

// readAll reads packets to their end.
func readAll(from io.Reader) (packets []packet, _ error) {
	for r := newPacketReader(from); ; {
		p, err := r.next()
		if err != nil {
			return packets, err
		}
		packets = append(packets, p)
	}
}

func TestPackets(t *testing.T) {
	tests := []struct {
		name, text string
		want       []packet
		err        error
	}{
		{"a response", "Response: Success\r\nActionID: a\r\nMessage: m: n\r\n\r\n", []packet{{response: "Success", id: "a", message: "m: n"}}, io.EOF},
		{"the first of a repeated key", "Event: Reload\r\nStatus: 0\r\nStatus: 1\r\n\r\n", []packet{{event: reload, status: "0"}}, io.EOF},
		{"no space, more spaces", "Event:Reload\r\nMessage:  m \r\n\r\n", []packet{{event: reload, message: " m "}}, io.EOF},
		{"events that do not count", "Event: PresenceStatus\r\nStatus: dnd\r\n\r\nEvent: Hangup\r\nResponse: x\r\n\r\nEvent: Reload\r\n\r\n", []packet{{event: reload}}, io.EOF},
		{"nothing at all", "\r\n\r\n\r\nkey\r\n\r\n: \r\n\r\n", nil, io.EOF},
		{"a line feed ends no line", "Event: Reload\r\nMessage: a\n\nEvent: Shutdown\n\r\n\r\n", []packet{{event: reload, message: "a\n\nEvent: Shutdown\n"}}, io.EOF},
		{"binary", "Event: Reload\r\nMessage: \x00\xff\r\r\n\x00\x01\x02\r\n\r\n", []packet{{event: reload, message: "\x00\xff\r"}}, io.EOF},
		{"cut in a line", "Event: Rel", nil, io.ErrUnexpectedEOF},
		{"cut between lines", "Event: Reload\r\n", nil, io.ErrUnexpectedEOF},
		{"cut after a line feed", "Message: a\n", nil, io.ErrUnexpectedEOF},
		{"the longest line", "Event: Reload\r\nMessage: " + strings.Repeat("a", maxLine-11) + "\r\n\r\n", []packet{{event: reload, message: strings.Repeat("a", maxLine-11)}}, io.EOF},
		{"a longer line", "Event: Reload\r\nMessage: " + strings.Repeat("a", maxLine) + "\r\n\r\n", nil, errLongLine},
		{"a longer line of line feeds", strings.Repeat("a\n", maxLine), nil, errLongLine},
		{"too long an event", "Event: Reload\r\n" + strings.Repeat("Message: "+strings.Repeat("a", 100)+"\r\n", maxPacket/100), nil, errLongPacket},
		{"too many lines", "Event: Newchannel\r\n" + strings.Repeat("a\r\n", maxPacket+1), nil, errLongPacket},
	}
	for _, test := range tests {
		for name, from := range map[string]io.Reader{"": strings.NewReader(test.text), ", byte by byte": iotest.OneByteReader(strings.NewReader(test.text))} {
			if got, err := readAll(from); !errors.Is(err, test.err) || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s%s: %v, %v; want %v, %v", test.name, name, got, err, test.want, test.err)
			}
		}
	}
}

// The packets are the same however the bytes arrive, and nothing in them is longer than a line.
func FuzzPackets(f *testing.F) {
	recordings, err := filepath.Glob("testdata/recorded/*.txt")
	if err != nil || len(recordings) == 0 {
		f.Fatalf("%v, %v", recordings, err)
	}
	for _, name := range recordings {
		if info, err := os.Stat(name); err != nil || info.Size() < 20_000 { // a larger one slows the search
			f.Add([]byte(readRecorded(f, strings.TrimSuffix(filepath.Base(name), ".timed.txt")).said()), uint16(7))
		}
	}
	f.Add([]byte("Event: Reload\r\n\r\n"), uint16(1))
	f.Fuzz(func(t *testing.T, text []byte, most uint16) {
		whole, wholeErr := readAll(bytes.NewReader(text))
		pieces, err := readAll(&chopped{text, int(most%512) + 1})
		if !reflect.DeepEqual(whole, pieces) || !errors.Is(err, wholeErr) {
			t.Errorf("%v, %v; in pieces %v, %v", whole, wholeErr, pieces, err)
		}
		for _, p := range whole {
			if p.event == "" && p.response == "" || max(len(p.message), len(p.hint), len(p.exten), len(p.presentity)) > maxLine {
				t.Errorf("%+v", p)
			}
			if again := unescape(asterisktest.Escape(p.message)); again != p.message {
				t.Errorf("%q becomes %q", p.message, again)
			}
		}
	})
}

// chopped gives text in pieces.
type chopped struct {
	text []byte
	most int
}

func (c *chopped) Read(b []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.text[:min(len(c.text), c.most)])
	c.text = c.text[n:]
	return n, nil
}

func TestUnescape(t *testing.T) {
	for text, want := range map[string]string{
		``: "", `a`: "a", `\\n`: `\n`, `\\\n`: "\\\n", `It\'s \"quoted\"\? C:\\dir\ttab`: "It's \"quoted\"? C:\\dir\ttab",
		`x\r\n\r\nEvent: Shutdown`: "x\r\n\r\nEvent: Shutdown", `\a\b\f\v`: "\a\b\f\v", `\q\`: `\q\`, "caf\xe9": "caf\xe9",
	} {
		if got := unescape(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
