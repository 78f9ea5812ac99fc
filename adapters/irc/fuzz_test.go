package irc

import (
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ergochat/irc-go/ircmsg"

	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/setting"
)

// nowhere takes all that is sent.
type nowhere struct{ net.Conn }

func (nowhere) Write(b []byte) (int, error)      { return len(b), nil }
func (nowhere) SetWriteDeadline(time.Time) error { return nil }

// FuzzMessages: whatever a server says, a login and a session go on or fail with a reason, only watched users are reported, with messages that
// are text and no longer than what was said, and only watched nicks are asked for.
func FuzzMessages(f *testing.F) {
	config := DefaultConfig()
	config.Host, config.Domain, config.Watch, config.Password = "irc.example.test:6697", "example.test", []string{"alice", "bob"}, setting.NewSecret("hush")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 {
			return
		}
		source, err := New(config, app.NewIdentities(nil), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		conn := &connection{Conn: nowhere{}}
		l := &login{source: source, conn: conn, server: newServer(), nick: "presence"}
		o := newObserver()
		var s *session
		for line := range strings.Lines(text) {
			m, err := ircmsg.ParseLine(line)
			if err != nil {
				continue
			}
			if _, err := l.take(m); err != nil && err.Error() == "" {
				t.Error("an error without a reason")
			}
			if s == nil {
				s = newSession(source, conn, l.server, l.nick, o)
				s.update()
			}
			if s.batch == nil {
				_ = s.ask(time.Now())
			}
			_ = s.take(m)
			checkAsked(t, s.batch)
		}
		for user, devices := range o.known {
			shown, _ := devices.Merge()
			bad := strings.ContainsFunc(shown.Message, unicode.IsControl) || !utf8.ValidString(shown.Message)
			if user != alice && user != bob || bad || len(shown.Message) > 3*len(text) {
				t.Errorf("%s shows %v %q", user, shown.Status, shown.Message)
			}
		}
	})
}

func checkAsked(t *testing.T, b *batch) {
	if b == nil {
		return
	}
	for _, line := range b.lines {
		for _, part := range []string{"MONITOR", "USERHOST", "WHOIS", "PING :batch1", "+", "-", "alice", "bob", ",", " "} {
			line = strings.ReplaceAll(line, part, "")
		}
		if strings.Trim(line, "0123456789PING :batch") != "" || len(b.lines) > mostLines+1 {
			t.Errorf("asked %q", b.lines)
		}
	}
}

// Who is asked about in two ways at once is not shown as away before it is known why.
func TestBothAnswers(t *testing.T) {
	config := DefaultConfig()
	config.Host, config.Domain, config.Watch, config.RequireAccount = "irc.example.test:6697", "example.test", []string{"alice"}, false
	source, err := New(config, app.NewIdentities(nil), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	o := newObserver()
	s := newSession(source, &connection{Conn: nowhere{}}, newServer(), "presence", o)
	s.update()
	for batch := range 2 {
		if batch == 1 {
			s.people[0].wantUserhost = true // a poll
		}
		_ = s.ask(time.Now())
		lines := []string{":s 302 presence :alice=-a@h", ":s 311 presence alice a h * :A", ":s 301 presence alice :dnd", "PONG " + s.batch.token}
		for _, line := range lines {
			m, err := ircmsg.ParseLine(line)
			if err != nil {
				t.Fatal(err)
			}
			_ = s.take(m)
		}
	}
	if got := o.shownSoFar(alice); !slices.Equal(got, []string{"busy dnd"}) {
		t.Errorf("alice was %q", got)
	}
}

// FuzzFold: a spelling is one of its own, as long as the nick, and the same for a nick in capital letters.
func FuzzFold(f *testing.F) {
	f.Fuzz(func(t *testing.T, mapping, nick string) {
		s := server{mapping: mapping}
		folded := s.fold(nick)
		if utf8.ValidString(nick) && s.fold(folded) != folded {
			t.Errorf("%q is %q, and that is %q", nick, folded, s.fold(folded))
		}
		if isASCII := !strings.ContainsFunc(nick, func(r rune) bool { return r > '~' }); isASCII && s.fold(strings.ToUpper(nick)) != folded {
			t.Errorf("%q is %q, and in capital letters %q", nick, folded, s.fold(strings.ToUpper(nick)))
		}
	})
}

func TestFold(t *testing.T) {
	for mapping, want := range map[string]string{
		"ascii": `abz[]\~{}|^ÄÖ`, "rfc1459": `abz{}|~{}|~ÄÖ`, "rfc1459-strict": `abz{}|~{}|^ÄÖ`, "strict-rfc1459": `abz{}|~{}|^ÄÖ`, "rfc7613": `abz[]\~{}|^äö`,
	} {
		s := server{mapping: mapping}
		if got := s.fold(`ABz[]\~{}|^ÄÖ`); got != want {
			t.Errorf("%s: %q, want %q", mapping, got, want)
		}
	}
	if s := newServer(); s.mapping != "rfc1459" {
		t.Errorf("a server that says nothing has %q, want rfc1459", s.mapping)
	}
}
