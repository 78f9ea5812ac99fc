// Package asterisktest is a manager interface (AMI) that tests and the demo use in Asterisk's place, because that is not in Debian 12. It has hints
// and presence states that a test changes, and says what a real Asterisk says: adapters/asterisk/testdata/recorded has that.
package asterisktest

import (
	"bufio"
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// The account. The password is that of the recorded sessions, too.
const (
	Username = "presence"
	Password = "s3cret"
)

// What the server says when a client connects, and when it has let the client in.
const (
	Banner = "Asterisk Call Manager/11.0.0\r\n"
	Booted = "Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 74\r\nLastReload: 74\r\nStatus: Fully Booted\r\n\r\n"
)

// TB is the part of testing.TB that this package needs.
type TB interface {
	Helper()
	Cleanup(end func())
	Fatal(args ...any)
}

// Server is a manager interface. It sends everything in pieces of random length. Its methods may be called concurrently.
type Server struct {
	running sync.WaitGroup

	mu       sync.Mutex
	addr     string
	listener net.Listener
	conns    map[*connection]struct{}
	state    State
	answers  map[string]func(id string) string
	actions  []string // that came, of all connections
}

// State is what a test can change.
type State struct {
	Hints      []Hint
	Presences  []Presence
	AfterLogin string      // what follows the login
	TLS        *tls.Config // nil: plain text
	Whole      bool        // what is sent is not cut to pieces
	Hung       bool        // nothing is said
}

// Hint is a hint of the dialplan and the state of its telephones: 0 idle, 1 in use, 8 ringing, and so on.
type Hint struct {
	Exten, Context, Hint string
	Status               int
}

// Presence is a presence state, such as away, and its note.
type Presence struct{ Presentity, State, Note string }

// connection is a connection of a client.
type connection struct {
	net.Conn
	loggedIn bool
}

// New makes a server that does not listen: give it connections with Serve.
func New(hints ...Hint) *Server {
	return &Server{addr: "127.0.0.1:0", conns: map[*connection]struct{}{}, state: State{Hints: hints, AfterLogin: Booted}, answers: map[string]func(string) string{}}
}

// Start starts a server on a port of 127.0.0.1. It ends with the test.
func Start(t TB, hints ...Hint) *Server {
	t.Helper()
	s := New(hints...)
	t.Cleanup(func() {
		s.Kill()
		s.running.Wait()
	})
	s.Listen(t)
	return s
}

// Addr is what a client connects to.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Listen serves again after Kill, on the same port.
func (s *Server) Listen(t TB) {
	t.Helper()
	listener, err := net.Listen("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener, s.addr = listener, listener.Addr().String()
	s.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() { s.Serve(conn) })
		}
	})
}

// Kill ends all connections and stops listening.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		_ = s.listener.Close()
	}
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// Serve serves a connection until it ends.
func (s *Server) Serve(conn net.Conn) {
	defer conn.Close()
	s.mu.Lock()
	if s.state.TLS != nil {
		conn = tls.Server(conn, s.state.TLS)
	}
	c := &connection{Conn: conn}
	s.conns[c] = struct{}{}
	s.write(c, Banner)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	for from := bufio.NewReader(conn); ; {
		action, err := ReadAction(from)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.actions = append(s.actions, action["Action"])
		goOn := s.answer(c, action)
		s.mu.Unlock()
		if !goOn {
			return
		}
	}
}

// ReadAction reads what a client asks: the value of each key.
func ReadAction(from *bufio.Reader) (map[string]string, error) {
	action := map[string]string{}
	for {
		line, err := from.ReadString('\n')
		line = strings.TrimSuffix(line, "\r\n")
		if err != nil || line == "" {
			return action, err
		}
		key, value, _ := strings.Cut(line, ": ")
		action[key] = value
	}
}

// answer answers an action. It returns false if the connection is to be closed.
func (s *Server) answer(c *connection, action map[string]string) bool {
	id := action["ActionID"]
	name := action["Action"]
	if own := s.answers[name]; own != nil {
		s.write(c, own(id))
		return true
	}
	respond := func(lines ...string) {
		s.write(c, "Response: "+lines[0]+"\r\nActionID: "+id+"\r\n"+strings.Join(lines[1:], "\r\n")+"\r\n\r\n")
	}
	switch {
	case name == "Challenge":
		respond("Success", "Challenge: 135674568")
	case name == "Login":
		sum := md5.Sum([]byte("135674568" + Password))
		if action["Key"] != hex.EncodeToString(sum[:]) || action["Username"] != Username || action["AuthType"] != "MD5" {
			respond("Error", "Message: Authentication failed") // a real one takes a second
			return false
		}
		respond("Success", "Message: Authentication accepted")
		s.write(c, s.state.AfterLogin)
		c.loggedIn = true
	case !c.loggedIn:
		respond("Error", "Message: Permission denied")
	case name == "ExtensionStateList":
		s.write(c, s.extensionList(id))
	case name == "PresenceStateList":
		s.write(c, s.presenceList(id))
	case name == "Ping":
		respond("Success", "Ping: Pong", "Timestamp: 1795644025.000000")
	case name == "Logoff":
		respond("Goodbye", "Message: Thanks for all the fish.")
		return false
	default:
		respond("Error", "Message: Invalid/unknown command: "+name+". Use Action: ListCommands to show available commands.")
	}
	return true
}

func (s *Server) extensionList(id string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Response: Success\r\nActionID: %s\r\nEventList: start\r\nMessage: Extension Statuses will follow\r\n\r\n", id)
	for _, h := range s.state.Hints {
		fmt.Fprintf(&b, "Event: ExtensionStatus\r\nActionID: %s\r\nExten: %s\r\nContext: %s\r\nHint: %s\r\nStatus: %d\r\nStatusText: Some\r\n\r\n",
			id, h.Exten, h.Context, h.Hint, h.Status)
	}
	fmt.Fprintf(&b, "Event: ExtensionStateListComplete\r\nActionID: %s\r\nEventList: Complete\r\nListItems: %d\r\n\r\n", id, len(s.state.Hints))
	return b.String()
}

func (s *Server) presenceList(id string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Response: Success\r\nActionID: %s\r\nEventList: start\r\nMessage: Presence State Changes will follow\r\n\r\n", id)
	for _, p := range s.state.Presences {
		fmt.Fprintf(&b, "Event: PresenceStateChange\r\nActionID: %s\r\nPresentity: %s\r\nStatus: %s\r\nSubtype: \r\nMessage: %s\r\n\r\n",
			id, p.Presentity, p.State, Escape(p.Note))
	}
	fmt.Fprintf(&b, "Event: PresenceStateListComplete\r\nActionID: %s\r\nEventList: Complete\r\nListItems: %d\r\n\r\n", id, len(s.state.Presences))
	return b.String()
}

var cEscapes = strings.NewReplacer(`\`, `\\`, "'", `\'`, `"`, `\"`, "?", `\?`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\a", `\a`, "\b", `\b`, "\f", `\f`, "\v", `\v`)

// Escape writes a note as Asterisk does.
func Escape(text string) string { return cEscapes.Replace(text) }

// write sends text in pieces. The lock is held.
func (s *Server) write(c *connection, text string) {
	for text != "" && !s.state.Hung {
		n := len(text)
		if !s.state.Whole {
			n = 1 + rand.N(min(n, 1+rand.N(400)))
		}
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write([]byte(text[:n])); err != nil {
			return
		}
		text = text[n:]
	}
}

// Say sends text to all clients that are logged in.
func (s *Server) Say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.loggedIn {
			s.write(c, text)
		}
	}
}

// SetStatus changes the state of the telephones of an extension in the context default, which must have a hint, and says so.
func (s *Server) SetStatus(exten string, status int) {
	s.mu.Lock()
	at := slices.IndexFunc(s.state.Hints, func(h Hint) bool { return h.Exten == exten && h.Context == "default" })
	s.state.Hints[at].Status = status
	h := s.state.Hints[at]
	s.mu.Unlock()
	s.Say(StatusEvent(h))
}

// StatusEvent is the event that tells the state of an extension.
func StatusEvent(h Hint) string {
	return fmt.Sprintf("Event: ExtensionStatus\r\nPrivilege: call,all\r\nExten: %s\r\nContext: %s\r\nHint: %s\r\nStatus: %d\r\nStatusText: Some\r\n\r\n",
		h.Exten, h.Context, h.Hint, h.Status)
}

// SetPresence changes the presence state of CustomPresence:name, and says so twice, as Asterisk does.
func (s *Server) SetPresence(name, state, note string) {
	p := Presence{"CustomPresence:" + name, state, note}
	s.mu.Lock()
	if at := slices.IndexFunc(s.state.Presences, func(old Presence) bool { return old.Presentity == p.Presentity }); at >= 0 {
		s.state.Presences[at] = p
	} else {
		s.state.Presences = append(s.state.Presences, p)
	}
	s.mu.Unlock()
	s.Say("Event: PresenceStatus\r\nPrivilege: call,all\r\nExten: 4711\r\nContext: default\r\nHint: x," + p.Presentity + "\r\nStatus: " + state + "\r\nSubtype: \r\nMessage: " + note + "\r\n\r\n")
	s.Say("Event: PresenceStateChange\r\nPrivilege: call,all\r\nPresentity: " + p.Presentity + "\r\nStatus: " + state + "\r\nSubtype: \r\nMessage: " + Escape(note) + "\r\n\r\n")
}

// Change changes the server, and says nothing of that.
func (s *Server) Change(how func(s *State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	how(&s.state)
}

// Answer sets what is answered to an action instead of the server's own answer. id is the ActionID of the request.
func (s *Server) Answer(action string, answer func(id string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[action] = answer
}

// Count returns how often an action came.
func (s *Server) Count(action string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.actions {
		if name == action {
			n++
		}
	}
	return n
}
