package command

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/asterisktest"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/process"
	"github.com/zarafa/presence/internal/xmpptest"
)

// everything is a daemon that watches alice on every system at once: a real Prosody, ngircd and Radicale, and a fake Asterisk, for Debian has none.
type everything struct {
	*daemon

	t        *testing.T
	xmpp     *xmpptest.Server
	asterisk *asterisktest.Server
	irc      string // the server's address
	calendar string // the address of alice's calendar
}

func watchEverything(t *testing.T) *everything {
	t.Helper()
	e := &everything{
		t: t, xmpp: xmpptest.Start(t, xmpptest.Prosody, xmpptest.Options{}),
		asterisk: asterisktest.Start(t, asterisktest.Hint{Exten: "4711", Context: "default", Hint: "PJSIP/alice,CustomPresence:alice"}),
		irc:      freeport.Address(t),
	}
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(e.irc)
	runServer(t, e.irc, dir, "ngircd", "[Global]\nName=irc.example.test\nInfo=test\nAdminEMail=admin@example.test\nListen=127.0.0.1\nPorts="+port+
		"\nServerUID=0\nServerGID=0\n[Limits]\nMaxConnectionsIP=0\nMaxPenaltyTime=0\n[Options]\nDNS=no\nIdent=no\nPAM=no\n", "/usr/sbin/ngircd", "--nodaemon", "--config")
	radicale := freeport.Address(t)
	runServer(t, radicale, dir, "radicale", fmt.Sprintf("[server]\nhosts = %s\n[auth]\ntype = none\n[rights]\ntype = authenticated\n[storage]\nfilesystem_folder = %s\n",
		radicale, filepath.Join(dir, "calendars")), "/usr/bin/radicale", "--config")
	e.calendar = "http://" + radicale + "/alice/work/"
	e.dav("MKCALENDAR", e.calendar, "")
	file := write(t, "zarafa-presence.yaml", fmt.Sprintf(`
http: {listen: 127.0.0.1:0}
auth: {secret: %s, services: [desk@example.test]}
store: {kind: memory}
protocols: [xmpp, irc, asterisk, calendar]
precedence: [manual:busy, asterisk:busy, manual, calendar:away]
clients: {desk: {expire: 1h}}
identities:
  - {user: alice@example.test, names: {irc: [ali], asterisk: ["4711@default"], calendar: [alice]}}
xmpp: {jid: %s, password: %q, host: %q, ca_file: %s, sweep_after: 1s}
irc: {host: %q, tls: none, require_account: false, poll_every: 500ms}
asterisk: {host: %q, password: %s}
calendar: {url: "http://%s", username: alice, password: alice, refresh: 1s, time_zone: UTC}
`, testSecret, e.xmpp.JID(xmpptest.Observer), e.xmpp.Password(xmpptest.Observer), e.xmpp.Addr, e.xmpp.CAFile, e.irc, e.asterisk.Addr(), asterisktest.Password, radicale))
	e.daemon = serve(t, nil, "--config", file)
	return e
}

// runServer runs a server until the test ends.
func runServer(t *testing.T, address, dir, name, config string, command ...string) {
	t.Helper()
	file := filepath.Join(dir, name+".conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := process.Start(exec.CommandContext(t.Context(), command[0], append(command[1:], file)...), filepath.Join(dir, name+".log"))
	if err != nil {
		t.Fatalf("%v: `make test` installs the server (scripts/install-test-packages)", err)
	}
	t.Cleanup(server.Kill)
	if err := server.Await(time.Minute, func() error {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}); err != nil {
		t.Fatalf("%s %v\n%s", name, err, server.Log())
	}
}

// dav makes a request to the calendar server as alice.
func (e *everything) dav(method, url, event string) {
	e.t.Helper()
	if event != "" {
		event = strings.ReplaceAll("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example.test//test//EN\nBEGIN:VEVENT\nDTSTAMP:20260101T000000Z\n"+event+"END:VEVENT\nEND:VCALENDAR\n", "\n", "\r\n")
	}
	request, err := http.NewRequestWithContext(e.t.Context(), method, url, strings.NewReader(event))
	if err != nil {
		e.t.Fatal(err)
	}
	request.SetBasicAuth("alice", "alice")
	request.Header.Set("Content-Type", "text/calendar")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		e.t.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode >= 300 {
		e.t.Fatalf("%s %s: %d %s", method, url, response.StatusCode, text)
	}
}

// put puts an event into the calendar, which lasts from two days ago to in two days, or from an hour ago to in an hour.
func (e *everything) put(name, lines string, wholeDays bool) {
	e.t.Helper()
	now := time.Now().UTC()
	when := "DTSTART:" + now.Add(-time.Hour).Format("20060102T150405Z") + "\nDTEND:" + now.Add(time.Hour).Format("20060102T150405Z") + "\n"
	if wholeDays {
		when = "DTSTART;VALUE=DATE:" + now.AddDate(0, 0, -2).Format("20060102") + "\nDTEND;VALUE=DATE:" + now.AddDate(0, 0, 2).Format("20060102") + "\n"
	}
	e.dav(http.MethodPut, e.calendar+name+".ics", "UID:"+name+"\n"+when+lines)
}

// say sets something with API v1 as alice; without a body it takes it away.
func (e *everything) say(protocol, body string) {
	e.t.Helper()
	method := http.MethodPut
	if body == "" {
		method = http.MethodDelete
	}
	request, err := http.NewRequestWithContext(e.t.Context(), method, e.url+"v1/users/alice@example.test/"+protocol, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+signed(testSecret, "alice@example.test", time.Now()))
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		e.t.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusNoContent {
		e.t.Fatalf("%s %s: %d %s", method, protocol, response.StatusCode, text)
	}
}

// shown is what the daemon answers about alice: status, who decided, by which rule, and the activity.
func (e *everything) shown() string {
	request, err := http.NewRequestWithContext(e.t.Context(), http.MethodGet, e.url+"v1/users/alice@example.test", nil)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+signed(testSecret, "alice@example.test", time.Now()))
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	var document struct{ Status, By, Rule, Activity string }
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
		return err.Error()
	}
	return strings.TrimRight(fmt.Sprintf("%s by %s, rule %s, activity %s", document.Status, document.By, document.Rule, document.Activity), " ")
}

// TestEverySourceAtOnce: alice is on all systems. At each of these moments the answer is the expected one, by the expected rule.
func TestEverySourceAtOnce(t *testing.T) {
	e := watchEverything(t)
	var laptop *xmpptest.Client
	var nick net.Conn
	chat := func(line string) func() {
		return func() { _, _ = io.WriteString(nick, line+"\r\n") }
	}
	moments := []struct {
		what string
		do   func()
		want string
	}{
		{"a laptop logs in", func() { laptop = e.xmpp.Login(t, "alice", "laptop") }, "available by xmpp, rule , activity"},
		{"it is left alone", func() { laptop.Show("away", "") }, "away by xmpp, rule , activity"},
		{"alice is on IRC", func() {
			conn, err := net.Dial("tcp", e.irc)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			nick = conn
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			chat("NICK ali\r\nUSER ali 0 * :Alice")()
		}, "available by irc, rule , activity"},
		{"away there, because she is in a meeting", chat("AWAY :in a meeting"), "busy by irc, rule , activity"},
		{"back there", chat("AWAY"), "available by irc, rule , activity"},
		{"away there, for no reason that counts", chat("AWAY :lunch"), "away by irc, rule , activity"},
		{"back again", chat("AWAY"), "available by irc, rule , activity"},
		{"the telephone rings", func() { e.asterisk.SetStatus("4711", 8) }, "busy by asterisk, rule asterisk:busy, activity on-the-phone"},
		{"she answers", func() { e.asterisk.SetStatus("4711", 1) }, "busy by asterisk, rule asterisk:busy, activity on-the-phone"},
		{"available by hand: the call goes before", func() { e.say("manual", `{"status":"available"}`) }, "busy by asterisk, rule asterisk:busy, activity on-the-phone"},
		{"do not disturb by hand goes before the call", func() { e.say("manual", `{"status":"busy","activity":"working"}`) }, "busy by manual, rule manual:busy, activity working"},
		{"she hangs up", func() { e.asterisk.SetStatus("4711", 0) }, "busy by manual, rule manual:busy, activity working"},
		{"available by hand", func() { e.say("manual", `{"status":"available"}`) }, "available by manual, rule manual, activity"},
		{"on holiday: what is set by hand goes before", func() { e.put("holiday", "SUMMARY:Holiday\nX-MICROSOFT-CDO-BUSYSTATUS:OOF\n", true) }, "available by manual, rule manual, activity"},
		{"nothing by hand: the absence goes before the open chat", func() { e.say("manual", "") }, "away by calendar, rule calendar:away, activity vacation"},
		{"a call on holiday", func() { e.asterisk.SetStatus("4711", 1) }, "busy by asterisk, rule asterisk:busy, activity on-the-phone"},
		{"it is over", func() { e.asterisk.SetStatus("4711", 0) }, "away by calendar, rule calendar:away, activity vacation"},
		{"the holiday is cancelled", func() { e.dav(http.MethodDelete, e.calendar+"holiday.ics", "") }, "available by irc, rule , activity"},
		{"a meeting", func() { e.put("meeting", "SUMMARY:Planning\n", false) }, "busy by calendar, rule , activity meeting"},
		{"the desk says away: the meeting is stronger", func() { e.say("desk", `{"status":"away"}`) }, "busy by calendar, rule , activity meeting"},
		{"the meeting is declared free time", func() { e.put("meeting", "SUMMARY:Planning\nTRANSP:TRANSPARENT\n", false) }, "available by irc, rule , activity"},
		{"she leaves IRC: the desk has changed last", chat("QUIT"), "away by desk, rule , activity"},
		{"a presentation at the desk", func() { e.say("desk", `{"status":"busy","activity":"presentation"}`) }, "busy by desk, rule , activity presentation"},
		{"the desk says nothing any more", func() { e.say("desk", "") }, "away by xmpp, rule , activity"},
		{"the telephone is set to do not disturb", func() { e.asterisk.SetPresence("alice", "dnd", "in a workshop") }, "busy by asterisk, rule asterisk:busy, activity"},
		{"it is not any more", func() { e.asterisk.SetPresence("alice", "not_set", "") }, "away by xmpp, rule , activity"},
		{"the laptop is in use", func() { laptop.Show("", "") }, "available by xmpp, rule , activity"},
	}
	for _, moment := range moments {
		moment.do()
		got := ""
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && got != moment.want; time.Sleep(20 * time.Millisecond) {
			got = e.shown()
		}
		if got != moment.want {
			t.Fatalf("%s: alice is %s; want %s\n%s\n%s", moment.what, got, moment.want, command(secretEnv, "why", "--url", e.url, "alice@example.test").stdout, e.stderr.String())
		}
	}
	e.sourcesAreCurrent()
}

// sourcesAreCurrent checks that all sources are in sync, and that the one that asks says of when it knows what it shows.
func (e *everything) sourcesAreCurrent() {
	e.t.Helper()
	request, err := http.NewRequestWithContext(e.t.Context(), http.MethodGet, e.url+"v1/sources", nil)
	if err != nil {
		e.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+signed(testSecret, "desk@example.test", time.Now()))
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		e.t.Fatal(err)
	}
	defer response.Body.Close()
	var document struct {
		Sources []struct {
			Protocol, State string
			Error           *string
			AsOf            *time.Time `json:"as_of"`
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil || len(document.Sources) != 4 {
		e.t.Fatalf("the sources are %+v, %v", document, err)
	}
	for _, source := range document.Sources {
		asks := source.Protocol == "calendar"
		if source.State != "synced" || source.Error != nil || asks != (source.AsOf != nil) || asks && time.Since(*source.AsOf) > 30*time.Second {
			e.t.Errorf("a source is %+v", source)
		}
	}
}
