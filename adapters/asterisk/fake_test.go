package asterisk

import (
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/syncbuffer"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

const (
	password = "s3cret" // of the account presence, also in the recorded sessions
	banner   = "Asterisk Call Manager/11.0.0\r\n"
	booted   = "Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 74\r\nLastReload: 74\r\nStatus: Fully Booted\r\n\r\n"
)

// fake is a manager interface in the tests' place of Asterisk, which is not in Debian 12. What it says has been recorded from a real one
// (testdata/recorded), or has the same form. It sends everything in pieces of random length.
type fake struct {
	addr    string
	tls     *tls.Config // nil: plain text
	running sync.WaitGroup

	mu        sync.Mutex
	listener  net.Listener
	conns     map[*fakeConn]struct{}
	hints     []fakeHint
	presences []fakePresence
	answers   map[string]func(id string) string // by action, instead of the fake's own
	afterAuth string                            // what follows the login
	actions   []string                          // that came, of all connections
	whole     bool                              // what is sent is not cut to pieces
	hung      bool                              // nothing is said any more
}

type fakeHint struct {
	exten, context, hint string
	status               int
}

type fakePresence struct{ presentity, state, note string }

// fakeConn is a connection of a client.
type fakeConn struct {
	net.Conn
	loggedIn bool
}

// startFake starts a fake that ends with the test.
func startFake(t testing.TB, hints ...fakeHint) *fake {
	t.Helper()
	f := &fake{hints: hints, afterAuth: booted, conns: map[*fakeConn]struct{}{}, answers: map[string]func(string) string{}, addr: "127.0.0.1:0"}
	t.Cleanup(func() {
		f.kill()
		f.running.Wait()
	})
	f.listen(t)
	return f
}

// listen begins to serve, on the same port as before.
func (f *fake) listen(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listener, f.addr = listener, listener.Addr().String()
	f.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.running.Go(func() { f.serve(conn) })
		}
	})
}

// kill ends all connections and stops listening.
func (f *fake) kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.listener.Close()
	for conn := range f.conns {
		_ = conn.Close()
	}
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	f.mu.Lock()
	if f.tls != nil {
		conn = tls.Server(conn, f.tls)
	}
	c := &fakeConn{Conn: conn}
	f.conns[c] = struct{}{}
	f.write(c, banner)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.conns, c)
		f.mu.Unlock()
	}()
	for from := newPacketReader(conn); ; {
		action, err := readAction(from)
		if err != nil {
			return
		}
		f.mu.Lock()
		f.actions = append(f.actions, action["Action"])
		goOn := f.answer(c, action)
		f.mu.Unlock()
		if !goOn {
			return
		}
	}
}

func readAction(from *packetReader) (map[string]string, error) {
	action := map[string]string{}
	for {
		line, err := from.line()
		if err != nil || len(line) == 0 {
			return action, err
		}
		key, value, _ := strings.Cut(string(line), ": ")
		action[key] = value
	}
}

// answer answers an action. It returns false if the connection is to be closed.
func (f *fake) answer(c *fakeConn, action map[string]string) bool {
	id := action["ActionID"]
	name := action["Action"]
	if own := f.answers[name]; own != nil {
		f.write(c, own(id))
		return true
	}
	respond := func(lines ...string) {
		f.write(c, "Response: "+lines[0]+"\r\nActionID: "+id+"\r\n"+strings.Join(lines[1:], "\r\n")+"\r\n\r\n")
	}
	switch {
	case name == "Challenge":
		respond("Success", "Challenge: 135674568")
	case name == "Login":
		sum := md5.Sum([]byte("135674568" + password))
		if action["Key"] != hex.EncodeToString(sum[:]) || action["Username"] != "presence" || action["AuthType"] != "MD5" {
			respond("Error", "Message: Authentication failed") // a real one takes a second
			return false
		}
		respond("Success", "Message: Authentication accepted")
		f.write(c, f.afterAuth)
		c.loggedIn = true
	case !c.loggedIn:
		respond("Error", "Message: Permission denied")
	case name == "ExtensionStateList":
		f.write(c, f.extensionList(id))
	case name == "PresenceStateList":
		f.write(c, f.presenceList(id))
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

func (f *fake) extensionList(id string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Response: Success\r\nActionID: %s\r\nEventList: start\r\nMessage: Extension Statuses will follow\r\n\r\n", id)
	for _, h := range f.hints {
		fmt.Fprintf(&b, "Event: ExtensionStatus\r\nActionID: %s\r\nExten: %s\r\nContext: %s\r\nHint: %s\r\nStatus: %d\r\nStatusText: Some\r\n\r\n",
			id, h.exten, h.context, h.hint, h.status)
	}
	fmt.Fprintf(&b, "Event: ExtensionStateListComplete\r\nActionID: %s\r\nEventList: Complete\r\nListItems: %d\r\n\r\n", id, len(f.hints))
	return b.String()
}

func (f *fake) presenceList(id string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Response: Success\r\nActionID: %s\r\nEventList: start\r\nMessage: Presence State Changes will follow\r\n\r\n", id)
	for _, p := range f.presences {
		fmt.Fprintf(&b, "Event: PresenceStateChange\r\nActionID: %s\r\nPresentity: %s\r\nStatus: %s\r\nSubtype: \r\nMessage: %s\r\n\r\n",
			id, p.presentity, p.state, escape(p.note))
	}
	fmt.Fprintf(&b, "Event: PresenceStateListComplete\r\nActionID: %s\r\nEventList: Complete\r\nListItems: %d\r\n\r\n", id, len(f.presences))
	return b.String()
}

var cEscapes = strings.NewReplacer(`\`, `\\`, "'", `\'`, `"`, `\"`, "?", `\?`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\a", `\a`, "\b", `\b`, "\f", `\f`, "\v", `\v`)

// escape writes a note as Asterisk does.
func escape(text string) string { return cEscapes.Replace(text) }

// write sends text in pieces. The lock is held.
func (f *fake) write(c *fakeConn, text string) {
	for text != "" && !f.hung {
		n := len(text)
		if !f.whole {
			n = 1 + rand.N(min(n, 1+rand.N(400)))
		}
		_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Write([]byte(text[:n])); err != nil {
			return
		}
		text = text[n:]
	}
}

// say sends text to all clients that are logged in.
func (f *fake) say(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		if c.loggedIn {
			f.write(c, text)
		}
	}
}

// setStatus changes the state of the telephones of an extension in the context default, and says so.
func (f *fake) setStatus(exten string, status int) {
	f.mu.Lock()
	at := slices.IndexFunc(f.hints, func(h fakeHint) bool { return h.exten == exten && h.context == "default" })
	f.hints[at].status = status
	h := f.hints[at]
	f.mu.Unlock()
	f.say(statusEvent(h))
}

func statusEvent(h fakeHint) string {
	return fmt.Sprintf("Event: ExtensionStatus\r\nPrivilege: call,all\r\nExten: %s\r\nContext: %s\r\nHint: %s\r\nStatus: %d\r\nStatusText: Some\r\n\r\n",
		h.exten, h.context, h.hint, h.status)
}

// setPresence changes the presence state of CustomPresence:name, and says so twice, as Asterisk does.
func (f *fake) setPresence(name, state, note string) {
	p := fakePresence{"CustomPresence:" + name, state, note}
	f.mu.Lock()
	if at := slices.IndexFunc(f.presences, func(old fakePresence) bool { return old.presentity == p.presentity }); at >= 0 {
		f.presences[at] = p
	} else {
		f.presences = append(f.presences, p)
	}
	f.mu.Unlock()
	f.say("Event: PresenceStatus\r\nPrivilege: call,all\r\nExten: 4711\r\nContext: default\r\nHint: x," + p.presentity + "\r\nStatus: " + state + "\r\nSubtype: \r\nMessage: " + note + "\r\n\r\n")
	f.say("Event: PresenceStateChange\r\nPrivilege: call,all\r\nPresentity: " + p.presentity + "\r\nStatus: " + state + "\r\nSubtype: \r\nMessage: " + escape(note) + "\r\n\r\n")
}

// change changes the fake.
func (f *fake) change(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
}

// count returns how often an action came.
func (f *fake) count(action string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range f.actions {
		if name == action {
			n++
		}
	}
	return n
}

// source makes a source that watches the fake. The log must never have the password.
func (f *fake) source(t testing.TB, names ports.Identities, change func(*Config)) *Source {
	t.Helper()
	c := DefaultConfig()
	c.Host, c.Password = f.addr, setting.NewSecret(password)
	if change != nil {
		change(&c)
	}
	log := &syncbuffer.Buffer{}
	t.Cleanup(func() {
		if text := log.String(); strings.Contains(text, c.Password.Reveal()) {
			t.Errorf("the password is in the log:\n%s", text)
		} else if t.Failed() {
			t.Log(text)
		}
	})
	source, err := New(c, names, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	source.limits.settle, source.limits.doubt = time.Millisecond, time.Millisecond
	return source
}

// people is a ports.Identities that never changes: who has which name.
type people map[string]domain.UserID

func (p people) User(_ domain.Protocol, name string) (domain.UserID, bool) {
	user, known := p[strings.ToLower(name)]
	return user, known
}

func (people) Names(domain.Protocol) []domain.Name { return nil }

func (people) Changed() <-chan struct{} { return nil }

// pipe makes a source talk to serve over a pipe, in which every piece arrives by itself.
func pipe(source *Source, serve func(conn net.Conn)) (end func()) {
	var running sync.WaitGroup
	source.dial = func(context.Context) (conn, raw net.Conn, err error) {
		ours, theirs := net.Pipe()
		running.Go(func() {
			defer theirs.Close()
			serve(theirs)
		})
		return ours, ours, nil
	}
	return running.Wait
}
