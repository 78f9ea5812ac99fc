package irc

import (
	"bufio"
	"errors"
	"fmt"
	"net"
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
		command, text, err := c.receive()
		if err != nil {
			return err
		}
		switch command {
		case "001":
			return c.expectWithin(answerWithin)
		case "432", "464", "465": // the nick is not allowed, a wrong password, a ban
			return fmt.Errorf("%w: %s", ports.ErrRejected, text)
		case "433", "ERROR": // the first: the nick is in use, it may be free soon
			if strings.Contains(strings.ToLower(text), "password") {
				return fmt.Errorf("%w: %s", ports.ErrRejected, text)
			}
			return errors.New(text)
		}
	}
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

// receive waits for the next message, answers pings on the way, and returns the message's command and its last parameter, usually a text.
func (c *connection) receive() (command, text string, err error) {
	for {
		line, err := c.lines.ReadSlice('\n') // an endless line is bufio.ErrBufferFull
		if err != nil {
			return "", "", err
		}
		command, text := parse(string(line))
		if command != "PING" {
			return command, text, nil
		}
		if err := c.send("PONG :" + text); err != nil {
			return "", "", err
		}
	}
}

// parse reads a line from the server (RFC 2812, 2.3.1).
func parse(line string) (command, text string) {
	line = strings.TrimRight(line, "\r\n")
	if strings.HasPrefix(line, ":") { // who says it
		_, line, _ = strings.Cut(line, " ")
	}
	line, text, found := strings.Cut(line, " :")
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return "", ""
	}
	if !found && len(fields) > 1 {
		text = fields[len(fields)-1]
	}
	return strings.ToUpper(fields[0]), text
}
