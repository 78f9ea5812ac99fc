package leak_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// line is a connection. It is written and read by hand, because thousands of answers are compared byte by byte.
type line struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	head []byte // of the answer that was read last
}

func dial(t *testing.T, server *http.Server) *line {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(5 * time.Minute))
	return &line{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// request is what a viewer asks, without its token.
type request struct {
	method, path, body string
	header             string // further lines of it
	original           bool   // it is of the original API, and has the token in its body
}

// text makes what is sent.
func (r *request) text(token string) string {
	body := r.body
	if r.original {
		body = `{"AuthenticationToken":"` + token + `","Type":"UserStatus","UserStatus":[` + body + `]}`
	}
	return r.method + " " + r.path + " HTTP/1.1\r\nHost: example.test\r\nAuthorization: Bearer " + token + "\r\n" + r.header +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

func (r *request) String() string {
	return r.method + " " + r.path + " " + strings.TrimSpace(r.header) + " " + r.body
}

// ask sends all requests at once, and returns the answers: head and body, but for the Date.
func (l *line) ask(token string, requests []request) []string {
	l.t.Helper()
	var out bytes.Buffer
	for i := range requests {
		out.WriteString(requests[i].text(token))
	}
	if _, err := l.conn.Write(out.Bytes()); err != nil {
		l.t.Fatal(err)
	}
	answers := make([]string, len(requests))
	for i := range requests {
		answers[i] = l.answer(requests[i].method == "HEAD")
	}
	return answers
}

// answer reads an answer.
func (l *line) answer(headOnly bool) string {
	l.t.Helper()
	length, chunked := l.readHead()
	answer := append(l.head, '\n')
	switch {
	case headOnly:
	case chunked:
		body, err := io.ReadAll(httputil.NewChunkedReader(l.in))
		if err != nil {
			l.t.Fatal(err)
		}
		_, _ = l.in.ReadSlice('\n') // after the last chunk
		answer = append(answer, body...)
	default:
		begin := len(answer)
		answer = append(answer, make([]byte, length)...)
		if _, err := io.ReadFull(l.in, answer[begin:]); err != nil {
			l.t.Fatal(err)
		}
	}
	return string(answer)
}

// readHead reads the head of an answer.
func (l *line) readHead() (length int, chunked bool) {
	l.t.Helper()
	l.head = l.head[:0]
	for {
		text, err := l.in.ReadSlice('\n')
		if err != nil {
			l.t.Fatalf("reading an answer: %v", err)
		}
		text = bytes.TrimRight(text, "\r\n")
		if len(text) == 0 {
			return length, chunked
		}
		name, value, _ := bytes.Cut(text, []byte(": "))
		switch string(name) {
		case "Date", "X-Request-Id":
			continue
		case "Content-Length":
			length, _ = strconv.Atoi(string(value))
		case "Transfer-Encoding":
			chunked = true
		}
		l.head = append(append(l.head, text...), '\n')
	}
}

// etag returns the tag in an answer; empty if there is none.
func etag(answer string) string {
	_, after, found := strings.Cut(answer, "\nEtag: ")
	if !found {
		return ""
	}
	tag, _, _ := strings.Cut(after, "\n")
	return tag
}

// stream is an event stream.
type stream struct {
	*line

	ids []string // that were told
}

// follow begins a stream, and returns what it tells up to ready.
func follow(t *testing.T, server *http.Server, token string, r request) (s *stream, begin string) {
	t.Helper()
	s = &stream{line: dial(t, server)}
	if _, err := s.conn.Write([]byte(r.text(token))); err != nil {
		t.Fatal(err)
	}
	s.readHead()
	if !bytes.Contains(s.head, []byte(" 200 ")) {
		return s, string(s.head)
	}
	return s, string(s.head) + s.until(func(event string) bool { return strings.HasPrefix(event, "event: ready\n") })
}

// until reads up to an event, and returns everything that was told. Heartbeats do not count: they depend on the time.
func (s *stream) until(last func(event string) bool) string {
	s.t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	var told, event strings.Builder
	for {
		text, err := s.in.ReadSlice('\n')
		if err != nil {
			s.t.Fatalf("the stream has told\n%s%s\nand then: %v", told.String(), event.String(), err)
		}
		if text[0] == ':' {
			continue
		}
		if id, found := bytes.CutPrefix(text, []byte("id: ")); found {
			s.ids = append(s.ids, string(bytes.TrimSpace(id)))
		}
		event.Write(text)
		if text[0] != '\n' {
			continue
		}
		one := event.String()
		event.Reset()
		if !strings.HasPrefix(one, "id: ") && one != "\n" {
			told.WriteString(one)
		}
		if last(one) {
			return told.String()
		}
	}
}

// untilOwn reads up to a state of a user with a message.
func (s *stream) untilOwn(user, message string) string {
	s.t.Helper()
	mark, about := fmt.Sprintf(`"message":%q`, message), fmt.Sprintf(`"user":%q`, user)
	return s.until(func(event string) bool { return strings.Contains(event, about) && strings.Contains(event, mark) })
}
