package irc

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

const accountPassword = "secret of the account"

// services stand for a network's services, as an inspircd sees them (its protocol between servers, 1205): they have the accounts, and log users
// in to them. They end with the server.
type services struct {
	address   string // of the inspircd, for servers
	passwords map[string]string
	running   sync.WaitGroup

	mu    sync.Mutex
	conn  net.Conn
	users map[string]string // the server's names of users, by nick
	up    chan struct{}     // closed when the server has told of all users
}

func (s *services) start(t testing.TB) {
	t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	s.mu.Lock()
	s.conn, s.users, s.up = conn, make(map[string]string), up
	s.mu.Unlock()
	s.say("CAPAB START 1205", "CAPAB CAPABILITIES :PROTOCOL=1205", "CAPAB END", "SERVER services.test b 0 2SV :services")
	s.running.Go(func() {
		defer conn.Close()
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			s.take(strings.Fields(lines.Text()), up)
		}
	})
	select {
	case <-up:
	case <-time.After(10 * time.Second):
		t.Fatal("inspircd does not accept the services")
	}
}

func (s *services) take(words []string, up chan struct{}) {
	words = append(words, "", "", "", "", "", "", "", "")
	switch {
	case words[0] == "SERVER":
		s.say(fmt.Sprintf(":2SV BURST %d", time.Now().Unix()), ":2SV METADATA * saslmechlist :PLAIN", ":2SV ENDBURST")
	case words[1] == "ENDBURST":
		close(up)
	case words[1] == "PING":
		s.say(":2SV PONG 2SV 1AA")
	case words[1] == "UID":
		s.mu.Lock()
		s.users[strings.ToLower(words[4])] = words[2]
		s.mu.Unlock()
	case words[1] == "NICK":
		s.mu.Lock()
		s.users[strings.ToLower(words[2])] = words[0][1:]
		s.mu.Unlock()
	case words[1] == "ENCAP" && words[3] == "SASL":
		s.takeSASL(words[4], words[6], words[7])
	}
}

func (s *services) takeSASL(user, step, data string) {
	reply := func(text string) { s.say(":2SV ENCAP 1AA SASL 2SVAAAAAA " + user + " " + text) }
	switch step {
	case "S":
		reply("C +")
	case "C":
		said, _ := base64.StdEncoding.DecodeString(data)
		fields := strings.Split(string(said)+"\x00\x00", "\x00")
		if password, known := s.passwords[fields[1]]; !known || fields[2] != password {
			reply("D F")
			return
		}
		s.say(":2SV METADATA " + user + " accountname :" + fields[1])
		reply("D S")
	}
}

func (s *services) say(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprint(s.conn, strings.Join(lines, "\r\n")+"\r\n")
}

// logIn logs the user of a nick in to an account, or out if that is empty.
func (s *services) logIn(t testing.TB, nick, account string) {
	t.Helper()
	eventually(t, func() error {
		s.mu.Lock()
		user, known := s.users[strings.ToLower(nick)]
		s.mu.Unlock()
		if !known {
			return fmt.Errorf("the services know no %s", nick)
		}
		s.say(":2SV METADATA " + user + " accountname :" + account)
		return nil
	})
}
