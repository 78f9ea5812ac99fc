package irc

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// talk is a connection of the source to a fake server.
type talk struct {
	net.Conn
	lines *bufio.Scanner
}

// fake starts a server that talks to one connection after the other. It ends with the test.
func fake(t testing.TB, script func(c *talk)) *realServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			script(&talk{conn, bufio.NewScanner(conn)})
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { _ = listener.Close(); running.Wait() })
	return &realServer{address: listener.Addr().String()}
}

// say says lines, and reports whether the connection is still there.
func (c *talk) say(lines ...string) bool {
	_, err := fmt.Fprint(c, strings.Join(lines, "\r\n")+"\r\n")
	return err == nil
}

// hear waits for a line that begins with one of some words, and returns it; or nothing when the connection has ended.
func (c *talk) hear(words ...string) string {
	for c.lines.Scan() {
		for _, word := range words {
			if strings.HasPrefix(c.lines.Text(), word) {
				return c.lines.Text()
			}
		}
	}
	return ""
}

// greet accepts a login.
func (c *talk) greet(support string) {
	c.hear("USER")
	c.say(":irc.test 001 watcher :Welcome", ":irc.test 005 watcher "+support+" :are supported", ":irc.test 422 watcher :no message of the day")
}

// serve answers questions, by their lines. Other ones are not answered, but for PING.
func (c *talk) serve(answers func(line string) []string) {
	for c.lines.Scan() {
		line := c.lines.Text()
		if token, found := strings.CutPrefix(line, "PING :"); found {
			c.say(":irc.test PONG irc.test :" + token)
		} else if said := answers(line); len(said) > 0 {
			c.say(said...)
		}
	}
}
