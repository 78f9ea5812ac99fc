package xmpp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/ports"
)

// hang keeps a connection open and takes what comes.
func hang(conn io.Reader) { _, _ = io.Copy(io.Discard, conn) }

// endless sends text again and again until the connection ends.
func endless(w io.Writer, text string) {
	piece := strings.Repeat(text, 1+(32<<10)/len(text))
	for {
		if _, err := io.WriteString(w, piece); err != nil {
			return
		}
	}
}

// drip sends text slowly until the connection ends.
func drip(w io.Writer, text string) {
	for {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// What a hostile server can do. Real servers do none of it, so these are fakes. Each must end Run with an error that says what
// happened, within bounded memory.
func TestHostileServer(t *testing.T) {
	mayDial := listenUnused(t) // nobody may connect here
	tests := []struct {
		name   string
		want   string // in the error
		serve  func(f *fake, conn net.Conn)
		change func(s *Source)
	}{
		{"silent after accept", errSlowLogin.Error(), func(_ *fake, conn net.Conn) { hang(conn) }, nil},
		{"junk instead of TLS", "no TLS on this port", func(_ *fake, conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 400 no\r\n\r\n") }, nil},
		{"closes at once", "logging in as observer@example.test", func(*fake, net.Conn) {}, nil},
		{"silent after TLS", errSlowLogin.Error(), func(f *fake, conn net.Conn) { hang(f.encrypt(conn).reader) }, nil},
		{"endless stream header", "65536 bytes", func(f *fake, conn net.Conn) {
			s := f.encrypt(conn)
			_, _ = io.WriteString(s, "<stream:stream a='")
			endless(s, "a")
		}, nil},
		{"endless text before features", "65536 bytes", func(f *fake, conn net.Conn) { endless(f.encrypt(conn), " ") }, nil},
		{"junk instead of XML", "XML syntax error", func(f *fake, conn net.Conn) {
			s := f.encrypt(conn)
			_, _ = io.WriteString(s, "<<<>>>&&&\x00\xff")
			hang(s.reader)
		}, nil},
		{"redirect", errRedirected.Error(), func(f *fake, conn net.Conn) {
			s := f.encrypt(conn)
			fmt.Fprintf(s, "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><stream:error>"+
				"<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>%s</see-other-host></stream:error>", mayDial)
			hang(s.reader)
		}, nil},
		{"endless hashing", "4000000000", func(f *fake, conn net.Conn) {
			s := f.encrypt(conn)
			if s.open(mechanisms("SCRAM-SHA-256")) != nil {
				return
			}
			auth, err := s.next()
			if err != nil {
				return
			}
			_, nonce, _ := strings.Cut(decode(auth.Text), "r=")
			fmt.Fprintf(s, "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</challenge>", base64Of("r="+nonce+"x,s=c2FsdA==,i=4000000000"))
			hang(s.reader)
		}, nil},
		{"no mechanism", "no way to log in", func(f *fake, conn net.Conn) {
			s := f.encrypt(conn)
			_ = s.open(mechanisms("EXTERNAL"))
			hang(s.reader)
		}, nil},
		{"echoes the password", "***", func(f *fake, conn net.Conn) {
			s := f.encrypt(conn)
			if s.open(mechanisms("PLAIN")) != nil {
				return
			}
			auth, _ := s.next()
			_, password, _ := strings.Cut(strings.TrimPrefix(decode(auth.Text), "\x00"), "\x00")
			fmt.Fprintf(s, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text>not %s</text></failure>", password)
			hang(s.reader)
		}, nil},
		{"cannot check passwords", "cannot check the password now", func(f *fake, conn net.Conn) {
			s := f.encrypt(conn)
			if s.open(mechanisms("PLAIN")) != nil {
				return
			}
			_, _ = io.WriteString(s, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><temporary-auth-failure/></failure>")
			hang(s.reader)
		}, nil},
		{"silent after login", errSilent.Error(), afterLogin(func(s *stream) { hang(s.reader) }), nil},
		{"answers pings alone", errNoRoster.Error(), afterLogin(func(s *stream) {
			for {
				e, err := s.next()
				if err != nil {
					return
				}
				if !strings.Contains(e.Inner, "roster") {
					s.answer(e, "")
				}
			}
		}), func(s *Source) { s.limits.roster = 200 * time.Millisecond }},
		{"endless stanza", "without completing a stanza", afterLogin(func(s *stream) {
			_, _ = io.WriteString(s, "<presence from='alice@example.test/x'><status>")
			endless(s, "a")
		}), nil},
		{"endless attribute", "without completing a stanza", afterLogin(func(s *stream) {
			_, _ = io.WriteString(s, "<presence from='")
			endless(s, "a")
		}), nil},
		{"endless nesting", "without completing a stanza", afterLogin(func(s *stream) {
			_, _ = io.WriteString(s, "<message>")
			endless(s, "<"+strings.Repeat("a", 500)+">")
		}), func(s *Source) { s.limits.rosterSize = 2 << 20 }}, // the parser is slow at this
		{"endless tags", "tags and attributes", afterLogin(func(s *stream) {
			_, _ = io.WriteString(s, "<message>")
			endless(s, "<a/>")
		}), func(s *Source) { s.limits.marks = 100_000 }},
		{"endless attributes", "tags and attributes", afterLogin(func(s *stream) {
			_, _ = io.WriteString(s, "<message ")
			endless(s, "a='' ")
		}), func(s *Source) { s.limits.marks = 100_000 }},
		{"endless stanza after the roster", "1048576 bytes", afterLogin(func(s *stream) {
			for range 4 {
				e, _ := s.next()
				s.answer(e, "")
			}
			_, _ = io.WriteString(s, "<iq type='set'><query xmlns='jabber:iq:roster'>")
			endless(s, "<item jid='a@example.test' subscription='both'/>")
		}), nil},
		{"a stanza in drips", errSilent.Error(), afterLogin(func(s *stream) {
			for range 4 { // roster, two presences, ping
				e, _ := s.next()
				s.answer(e, "")
			}
			_, _ = io.WriteString(s, "<presence><status>")
			drip(s, "a")
		}), nil},
		{"a roster in drips", errNoRoster.Error(), afterLogin(func(s *stream) {
			_, _ = io.WriteString(s, "<iq type='result' id='roster'><query xmlns='jabber:iq:roster'>")
			drip(s, "<item jid='a@example.test'/>")
		}), func(s *Source) { s.limits.silence, s.limits.roster = 300*time.Millisecond, time.Second }},
		{"does not read", errSilent.Error(), afterLogin(func(s *stream) {
			ping := "<iq type='get' id='" + strings.Repeat("1", 4000) + "' from='example.test'><ping xmlns='urn:xmpp:ping'/></iq>" // its answer is as long
			for {
				if _, err := io.WriteString(s, ping); err != nil {
					return
				}
			}
		}), nil},
		{"junk after login", "XML syntax error", afterLogin(func(s *stream) {
			_, _ = io.WriteString(s, "<presence from=></other>")
			hang(s.reader)
		}), nil},
		{"unknown element", "unexpected XMPP message", afterLogin(func(s *stream) {
			_, _ = io.WriteString(s, "<what xmlns='ever'/>")
			hang(s.reader)
		}), nil},
		{"stream error", "system-shutdown", afterLogin(func(s *stream) {
			_, _ = io.WriteString(s, "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		}), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t, test.serve)
			source := f.source(t, nil)
			switch test.want {
			case errSlowLogin.Error():
				source.limits.login = 700 * time.Millisecond
			case errSilent.Error():
				source.limits.silence = 500 * time.Millisecond
			}
			if test.change != nil {
				test.change(source)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := begin(t, source).ends(t)
			runtime.ReadMemStats(&after)
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run returned %q, want %q in it", err, test.want)
			}
			if strings.Contains(err.Error(), source.config.Password.Reveal()) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the password or a line break is in %q", err)
			}
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 512<<20 {
				t.Errorf("the heap grew by %d MiB", grown>>20)
			}
		})
	}
}

// While each of these goes on, ctx ends, and Run must return within a second.
func TestStopDespiteHostileServer(t *testing.T) {
	tests := []struct {
		name  string
		serve func(f *fake, conn net.Conn)
	}{
		{"silent after accept", func(_ *fake, conn net.Conn) { hang(conn) }},
		{"silent after login", afterLogin(func(s *stream) { hang(s.reader) })},
		{"neither reads nor writes", afterLogin(func(*stream) { time.Sleep(time.Second) })},
		{"floods", afterLogin(func(s *stream) { endless(s, "<presence from='alice@example.test/x'><show>dnd</show></presence>") })},
		{"endless stanza", afterLogin(func(s *stream) {
			for {
				if _, err := io.WriteString(s, "<presence from='a@example.test/x'><status>"+strings.Repeat("a", 1000)); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := begin(t, newFake(t, test.serve).source(t, nil))
			time.Sleep(200 * time.Millisecond) // any moment will do
			r.stop(t)
		})
	}
}

// Stanzas that must not be believed because of their sender.
func TestForgedStanzas(t *testing.T) {
	tests := []struct{ name, stanza string }{
		{"roster push from a stranger", "<iq type='set' id='1' from='mallory@evil.test/x'><query xmlns='jabber:iq:roster'><item jid='mallory@evil.test' subscription='both'/></query></iq><presence from='mallory@evil.test/x'/>"},
		{"roster push from a user", "<iq type='set' id='1' from='alice@example.test/x'><query xmlns='jabber:iq:roster'><item jid='carol@remote.test' subscription='remove'/></query></iq>"},
		{"roster result from a stranger", "<iq type='result' id='roster' from='mallory@evil.test/x'><query xmlns='jabber:iq:roster'><item jid='mallory@evil.test' subscription='both'/></query></iq><presence from='mallory@evil.test/x'/>"},
		{"second roster result", "<iq type='result' id='roster'><query xmlns='jabber:iq:roster'><item jid='mallory@evil.test' subscription='both'/></query></iq><presence from='mallory@evil.test/x'/>"},
		{"answers to pings that were not sent", strings.Repeat("<iq type='result' id='ping'/><iq type='result' id='ping' from='mallory@evil.test/x'/>", 10)},
		{"directed presence from a stranger", "<presence from='mallory@evil.test/x'><show>dnd</show></presence>"},
		{"own account", "<presence from='observer@example.test/other'/><presence from='Observer@example.test/other'/>"},
		{"chat room", "<presence from='room@conference.example.test/alice'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' role='participant'/></x></presence>"},
		{"chat room on the own host", "<presence from='room@example.test/alice'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' role='participant'/></x></presence>"},
		{"the server itself", "<presence from='example.test'/>"},
		{"no sender", "<presence/>"},
		{"unsubscribed by a stranger", "<presence from='mallory@evil.test' type='unsubscribed'/>"},
		{"unavailable user nobody has told of", "<presence from='dave@example.test/x' type='unavailable'/><presence from='eve@example.test' type='error'/>"},
		{"account that is no user", `<presence from='a\20b@example.test/x'/><presence from='a\40b@example.test/x'/>`},
		{"long resource", "<presence from='dave@example.test/" + strings.Repeat("x", 5000) + "' type='unavailable'/>"},
		{"picture without anything", "<message from='mallory@evil.test/x'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:avatar:metadata'><item/></items></event></message>"},
		{"picture of text", "<message from='mallory@evil.test/x'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:avatar:metadata'><item>x</item></items></event></message>"},
		{"picture of something else", "<message from='mallory@evil.test/x'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:avatar:metadata'><item><other xmlns='x'/></item></items></event></message>"},
		{"picture with an empty comment", "<message from='mallory@evil.test/x'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:avatar:metadata'><item><!-- --></item></items></event></message>"},
		{"many pictures without anything", strings.Repeat("<message from='mallory@evil.test/x'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:avatar:metadata'><item/></items></event></message>", 3000)},
		{"answer about features", "<iq type='result' id='1' from='mallory@evil.test/x'><what/><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"},
		{"answer about items", "<iq type='result' id='1' from='mallory@evil.test/x'><what/><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"},
		{"answer about uploads", "<iq type='result' id='1' from='mallory@evil.test/x'><what/><slot xmlns='urn:xmpp:http:upload:0'/></iq>"},
		{"picture removed", "<message from='alice@example.test'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:avatar:metadata'/></event></message>"},
		{"message", "<message from='alice@example.test/x' type='chat'><body>hello</body></message>"},
		{"request", "<iq type='get' id='1' from='mallory@evil.test/x'><query xmlns='jabber:iq:last'/></iq>"},
		{"subscription request", "<presence from='mallory@evil.test' type='subscribe'/>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFake(t, afterLogin(func(s *stream) {
				for range 5 { // presence, roster, priority, ping and nothing more
					e, err := s.next()
					if err != nil {
						return
					}
					s.answer(e, "<item jid='carol@remote.test' subscription='to'/>")
					if strings.Contains(e.Inner, "priority") {
						fmt.Fprintf(s, "%s<presence from='carol@remote.test/end'><status>end</status></presence>", test.stanza)
					}
				}
				hang(s.reader)
			}))
			r := begin(t, f.source(t, nil))
			r.want(t, "carol@remote.test", "available end")
			if got, want := r.users(), "[carol@remote.test]"; got != want {
				t.Errorf("known are %s, want %s", got, want)
			}
			r.wantSynced(t)
		})
	}
}

// A remote contact's presence can arrive before the roster says that it is one.
func TestPresenceBeforeRoster(t *testing.T) {
	f := newFake(t, afterLogin(func(s *stream) {
		_, _ = io.WriteString(s, "<presence from='carol@remote.test/x'><show>away</show><status>early</status></presence>"+
			"<presence from='mallory@evil.test/x'/><presence from='observer@example.test/here'/>")
		s.serve("<item jid='Carol@remote.test' subscription='both'/><item jid='eve@remote.test' subscription='from'/>")
	}))
	r := begin(t, f.source(t, nil))
	r.want(t, "carol@remote.test", "away early")
	r.wantSynced(t)
	if got, want := r.users(), "[carol@remote.test]"; got != want {
		t.Errorf("known are %s, want %s", got, want)
	}
}

// What makes a user unavailable, or unknown.
func TestDevicesGo(t *testing.T) {
	const two = "<presence from='carol@remote.test/a'/><presence from='carol@remote.test/b'><show>dnd</show></presence>"
	tests := []struct{ name, stanza, want string }{
		{"the busy device", "<presence type='unavailable' from='carol@remote.test/b'><status>bye</status></presence>", "available"},
		{"all devices", "<presence type='unavailable' from='carol@remote.test'/>", "unavailable"},
		{"error", "<presence type='error' from='carol@remote.test'><error type='cancel'/></presence>", "unavailable"},
		{"unsubscribed", "<presence type='unsubscribed' from='carol@remote.test'/><presence type='unavailable' from='carol@remote.test/a'/>", "unknown"},
		{"push none", "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='carol@remote.test' subscription='none'/></query></iq>", "unknown"},
		{"push from", "<iq type='set' id='1' from='observer@example.test'><query xmlns='jabber:iq:roster'><item jid='carol@remote.test' subscription='from'/></query></iq><presence from='carol@remote.test/a'/>", "unknown"},
		{"push remove", "<iq type='set' id='1'><query xmlns='jabber:iq:roster' ver='2'><item jid='carol@remote.test' subscription='remove'/></query></iq>", "unknown"},
		{"unknown show", "<presence from='carol@remote.test/b'><show>dancing</show></presence>", "available"},
		{"several languages", "<presence from='carol@remote.test/b'><show>dnd</show><status xml:lang='en'>one</status><status xml:lang='de'>zwei</status></presence>", "busy zwei"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			proceed := make(chan struct{})
			f := newFake(t, afterLogin(func(s *stream) {
				_, _ = io.WriteString(s, two)
				for range 4 {
					e, _ := s.next()
					s.answer(e, "<item jid='carol@remote.test' subscription='both'/>")
				}
				<-proceed
				_, _ = io.WriteString(s, test.stanza)
				hang(s.reader)
			}))
			r := begin(t, f.source(t, nil))
			r.want(t, "carol@remote.test", "busy")
			close(proceed)
			r.want(t, "carol@remote.test", test.want)
		})
	}
}

// A push must be answered, and so must any other request.
func TestRequestsAreAnswered(t *testing.T) {
	tests := []struct{ name, stanza, want string }{
		{"push", "<iq type='set' id='p&amp;1' from='observer@example.test'><query xmlns='jabber:iq:roster'/></iq>", `iq result p&1 to observer@example.test`},
		{"ping", "<iq type='get' id='q' from='example.test'><ping xmlns='urn:xmpp:ping'/></iq>", `iq result q to example.test`},
		{"other", "<iq type='get' id='r' from='a&apos;b@example.test/x'><query xmlns='jabber:iq:last'/></iq>", `iq error r to a'b@example.test/x`},
		{"subscribe", "<presence type='subscribe' from='alice@example.test/x'/>", `presence subscribed  to alice@example.test`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := make(chan string, 100)
			f := newFake(t, afterLogin(func(s *stream) {
				_, _ = io.WriteString(s, test.stanza)
				for {
					e, err := s.next()
					if err != nil {
						return
					}
					if e.Type != "get" && e.Type != "" {
						got <- fmt.Sprintf("%s %s %s to %s", e.XMLName.Local, e.Type, e.ID, e.To)
					}
					s.answer(e, "")
				}
			}))
			r := begin(t, f.source(t, allowed))
			r.wantSynced(t)
			if answer := <-got; answer != test.want {
				t.Errorf("got %q, want %q", answer, test.want)
			}
		})
	}
}

// A subscription request that is repeated is approved again, but the user is asked once.
func TestAskedOnce(t *testing.T) {
	got := make(chan string, 100)
	f := newFake(t, afterLogin(func(s *stream) {
		_, _ = io.WriteString(s, strings.Repeat("<presence type='subscribe' from='alice@example.test'/>", 5))
		for {
			e, err := s.next()
			if err != nil {
				close(got)
				return
			}
			if e.XMLName.Local == "presence" && e.Type != "" {
				got <- e.Type
			}
			s.answer(e, "")
		}
	}))
	r := begin(t, f.source(t, allowed))
	r.wantSynced(t)
	r.stop(t)
	f.end()
	count := make(map[string]int)
	for kind := range got {
		count[kind]++
	}
	if count["subscribed"] != 5 || count["subscribe"] != 1 {
		t.Errorf("the answers are %v", count)
	}
}

func TestManySubscriptionRequestsAreLoggedOnce(t *testing.T) {
	f := newFake(t, afterLogin(func(s *stream) {
		for i := range 1000 {
			fmt.Fprintf(s, "<presence type='subscribe' from='u%d@evil.test'/>", i)
		}
		s.serve("")
	}))
	source := f.source(t, nil)
	log := &logged{}
	source.log = newLogger(log)
	begin(t, source).wantSynced(t)
	if n := strings.Count(log.String(), "ignoring a subscription request"); n != maxLogged {
		t.Errorf("%d lines in the log, want %d", n, maxLogged)
	}
}

// TestManyApprovedRequestsAreLoggedOnce: an allowed host must not fill the disk either.
func TestManyApprovedRequestsAreLoggedOnce(t *testing.T) {
	f := newFake(t, afterLogin(func(s *stream) {
		for i := range 1000 {
			fmt.Fprintf(s, "<presence type='subscribe' from='u%d@example.test'/>", i)
		}
		s.serve("")
	}))
	source := f.source(t, func(cfg *Config) { cfg.AllowDomains = []string{"example.test"} })
	log := &logged{}
	source.log = newLogger(log)
	begin(t, source).wantSynced(t)
	if n := strings.Count(log.String(), "subscription approved"); n != maxLogged {
		t.Errorf("%d lines in the log, want %d", n, maxLogged)
	}
}

func TestRejectedIsRejected(t *testing.T) {
	f := newFake(t, func(f *fake, conn net.Conn) {
		s := f.encrypt(conn)
		if s.open(mechanisms("PLAIN")) == nil {
			_, _ = io.WriteString(s, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/></failure>")
			hang(s.reader)
		}
	})
	if err := begin(t, f.source(t, nil)).ends(t); !errors.Is(err, ports.ErrRejected) {
		t.Errorf("Run returned %v", err)
	}
}
