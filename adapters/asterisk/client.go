package asterisk

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxWaiting is how many packets may have been read that are not handled yet.
const maxWaiting = 1024

var errSlowWrite = errors.New("it does not take what is sent")

// client is a connection to the manager interface. Make it with newClient, and end it with end. Its methods are for one goroutine.
type client struct {
	conn    net.Conn // what is spoken: perhaps TLS
	raw     net.Conn // under it
	packets chan packet
	lost    error // why there will be no more packets; to be read after packets is closed

	prefix  string // of the ActionIDs: nobody who may set a note can guess it
	actions int

	ended   chan struct{}
	running sync.WaitGroup
}

// newClient takes a connection and begins to read what comes after the banner.
func newClient(conn, raw net.Conn, from *packetReader) *client {
	c := &client{conn: conn, raw: raw, packets: make(chan packet, maxWaiting), prefix: rand.Text() + "-", ended: make(chan struct{})}
	c.running.Go(func() { c.read(from) })
	return c
}

// read reads until the connection ends.
func (c *client) read(from *packetReader) {
	defer close(c.packets)
	for {
		p, err := from.next()
		if err != nil {
			c.lost = err
			return
		}
		select {
		case c.packets <- p:
		case <-c.ended:
			return
		}
	}
}

// send sends an action with its keys and values, and returns its ActionID. It takes no longer than within, and ends soon after ctx: Source.run
// sets an earlier deadline then.
func (c *client) send(ctx context.Context, within time.Duration, action string, pairs ...string) (id string, err error) {
	_ = c.conn.SetWriteDeadline(time.Now().Add(within))
	if ctx.Err() != nil { // perhaps the earlier deadline has just been replaced
		return "", context.Cause(ctx)
	}
	id, err = c.write(action, pairs...)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errSlowWrite
	}
	return id, err
}

func (c *client) write(action string, pairs ...string) (id string, err error) {
	c.actions++
	id = c.prefix + strconv.Itoa(c.actions)
	var b strings.Builder
	b.WriteString("Action: " + action + "\r\nActionID: " + id + "\r\n")
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(pairs[i] + ": " + pairs[i+1] + "\r\n")
	}
	b.WriteString("\r\n")
	_, err = c.conn.Write([]byte(b.String()))
	return id, err
}

// receive returns the next packet, or why there is none: ctx's cause or what happened to the connection.
func (c *client) receive(ctx context.Context) (packet, error) {
	select {
	case p, open := <-c.packets:
		if !open {
			return p, c.lost
		}
		return p, nil
	case <-ctx.Done():
		return packet{}, context.Cause(ctx)
	}
}

// end closes the connection and returns when nothing of it is left running. A connection that is in order says goodbye first, and takes what is on
// its way for a moment: to close it would reset it, and Asterisk would complain.
func (c *client) end(inOrder bool) {
	if inOrder {
		_ = c.conn.SetDeadline(time.Now().Add(goodbyeWithin))
		if _, err := c.write("Logoff"); err == nil {
			for range c.packets { // until it closes the connection
			}
		}
	}
	close(c.ended)
	_ = c.raw.Close() // without a close_notify of TLS, which could block
	c.running.Wait()
}

// clip keeps what a server says short.
func clip(text string) string {
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "..."
	}
	return text
}
