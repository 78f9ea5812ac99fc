package irc

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zarafa/presence/ports"
)

const (
	answerWithin   = 10 * time.Second // for each answer of the server
	maxLine        = 8 << 10          // bytes of a line, far more than a server may send
	maxPerQuestion = 5                // how many nicks one USERHOST may name
)

// connection is an IRC connection. One goroutine may receive while others send.
type connection struct {
	net.Conn
	lines *bufio.Reader
}

func newConnection(conn net.Conn) *connection {
	return &connection{Conn: conn, lines: bufio.NewReaderSize(conn, maxLine)}
}

// register logs in. Its error wraps ports.ErrRejected if only a person can help.
func (c *connection) register(nick, password string) error {
	login := []string{"NICK " + nick, "USER presence 0 * :presence"}
	if password != "" {
		login = append([]string{"PASS :" + password}, login...)
	}
	if err := c.expectWithin(answerWithin); err != nil {
		return err
	}
	if err := c.send(login...); err != nil {
		return err
	}
	for {
		m, err := c.receive()
		if err != nil {
			return err
		}
		switch m.command {
		case "001":
			return c.expectWithin(answerWithin)
		case "432", "464", "465": // the nick is not allowed, a wrong password, a ban
			return fmt.Errorf("%w: %s", ports.ErrRejected, m.last())
		case "433": // the nick is in use: it may be free soon
			return errors.New(m.last())
		case "ERROR":
			if strings.Contains(strings.ToLower(m.last()), "password") {
				return fmt.Errorf("%w: %s", ports.ErrRejected, m.last())
			}
			return errors.New(m.last())
		}
	}
}

// askFor asks who of the nicks is there. The PONG comes after all other answers.
func (c *connection) askFor(nicks []string) error {
	var lines []string
	for some := range slices.Chunk(nicks, maxPerQuestion) {
		lines = append(lines, "USERHOST "+strings.Join(some, " "))
	}
	return c.send(append(lines, "PING :asked")...)
}

func (c *connection) send(lines ...string) error {
	if err := c.SetWriteDeadline(time.Now().Add(answerWithin)); err != nil {
		return err
	}
	_, err := c.Write([]byte(strings.Join(lines, "\r\n") + "\r\n"))
	return err
}

// expectWithin says when receive fails at the latest. Pings of the server do not change that.
func (c *connection) expectWithin(d time.Duration) error { return c.SetReadDeadline(time.Now().Add(d)) }

// receive waits for the next message, and answers pings on the way.
func (c *connection) receive() (message, error) {
	for {
		line, err := c.lines.ReadSlice('\n') // an endless line is bufio.ErrBufferFull
		if err != nil {
			return message{}, err
		}
		m := parse(string(line))
		if m.command != "PING" {
			return m, nil
		}
		if err := c.send("PONG :" + m.last()); err != nil {
			return message{}, err
		}
	}
}

// message is a line from the server (RFC 2812, 2.3.1) without its prefix.
type message struct {
	command string
	params  []string
}

func parse(line string) message {
	line = strings.TrimRight(line, "\r\n")
	if strings.HasPrefix(line, ":") {
		_, line, _ = strings.Cut(line, " ")
	}
	line, trailing, found := strings.Cut(line, " :")
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return message{}
	}
	m := message{command: strings.ToUpper(fields[0]), params: fields[1:]}
	if found {
		m.params = append(m.params, trailing)
	}
	return m
}

// last returns the last parameter, which is usually the text.
func (m message) last() string {
	if len(m.params) == 0 {
		return ""
	}
	return m.params[len(m.params)-1]
}
