package irc

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/ergochat/irc-go/ircmsg"
)

const (
	longestLine = 8<<10 + 1024           // bytes that a server may send in a line: 8191 of tags and 512 others (IRCv3 message-tags), and some
	writeWithin = 500 * time.Millisecond // the system takes what we write at once, unless the server has not read for long
)

// connection is a connection to an IRC server. One goroutine receives and sends.
type connection struct {
	net.Conn
	raw      net.Conn // below TLS
	messages chan ircmsg.Message
	failed   error         // why there are no more messages, once that is closed
	closing  chan struct{} // closed to end the reader
	reader   sync.WaitGroup
}

// connect connects within the time of ctx, and begins to read. The caller closes the connection.
func connect(ctx context.Context, dialer *net.Dialer, address string, config *tls.Config) (*connection, error) {
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: raw, raw: raw, messages: make(chan ircmsg.Message), closing: make(chan struct{})}
	if config != nil {
		secured := tls.Client(raw, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		c.Conn = secured
	}
	c.reader.Go(c.read)
	return c, nil
}

// close returns when nothing reads any more. It does not say goodbye by TLS, which could take seconds.
func (c *connection) close() {
	close(c.closing)
	_ = c.raw.Close()
	c.reader.Wait()
}

// read passes messages on until the connection is lost or closed. What is no message is ignored.
func (c *connection) read() {
	defer close(c.messages)
	lines := bufio.NewReaderSize(c.Conn, longestLine)
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			err = fmt.Errorf("the server sent a line of more than %d bytes", longestLine)
		}
		if err != nil {
			c.failed = err
			return
		}
		message, err := ircmsg.ParseLine(string(line))
		if err != nil {
			continue
		}
		select {
		case c.messages <- message:
		case <-c.closing:
			c.failed = net.ErrClosed
			return
		}
	}
}

// receive waits for the next message.
func (c *connection) receive(ctx context.Context) (ircmsg.Message, error) {
	select {
	case message, more := <-c.messages:
		if !more {
			return message, c.failed
		}
		return message, nil
	case <-ctx.Done():
		return ircmsg.Message{}, ctx.Err()
	}
}

// send sends lines together.
func (c *connection) send(lines ...string) error {
	if err := c.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	_, err := c.Write([]byte(strings.Join(lines, "\r\n") + "\r\n"))
	return err
}

// pong answers a PING of the server.
func (c *connection) pong(ping ircmsg.Message) error { return c.send("PONG :" + last(ping)) }

// last returns the last parameter of a message, usually a text, or nothing.
func last(m ircmsg.Message) string { return param(m, len(m.Params)-1) }

// param returns a parameter of a message, counted from 0, or nothing if there are not so many.
func param(m ircmsg.Message, at int) string {
	if at < 0 || at >= len(m.Params) {
		return ""
	}
	return m.Params[at]
}
