package caldav

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/internal/process"
)

// calServer is a real CalDAV server. It ends with the test. Users have a calendar named work, and one with tasks.
type calServer struct {
	name    string
	address string
	home    string // calendar.homes
	command []string
	process *process.Process
	log     string
	as      func(*http.Request, string) // signs a request of a user
}

// bothServers start Debian's CalDAV servers.
var bothServers = []func(testing.TB) *calServer{func(t testing.TB) *calServer { return startRadicale(t) }, startXandikos}

// startRadicale starts Debian's radicale, in which the account presence may read everything, and each user what is theirs. There are alice, Bob, and more.
func startRadicale(t testing.TB, more ...string) *calServer {
	t.Helper()
	dir := t.TempDir()
	s := &calServer{name: "radicale", address: freeport.Address(t), home: "/{user}/", log: filepath.Join(dir, "log")}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	accounts := "presence:" + testPassword + "\n"
	for _, user := range append(more, "alice", "Bob") {
		accounts += user + ":" + user + "\n"
	}
	users := write("users", accounts)
	rights := write("rights", "[root]\nuser: .+\ncollection:\npermissions: R\n"+
		"[presence]\nuser: presence\ncollection: [^/]+(/[^/]+)?\npermissions: Rr\n"+
		"[own]\nuser: .+\ncollection: {user}(/[^/]+)?\npermissions: RrWw\n")
	config := write("config", fmt.Sprintf("[server]\nhosts = %s\n[auth]\ntype = htpasswd\nhtpasswd_filename = %s\nhtpasswd_encryption = plain\ndelay = 0\n"+
		"[rights]\ntype = from_file\nfile = %s\n[storage]\nfilesystem_folder = %s\n", s.address, users, rights, filepath.Join(dir, "data")))
	s.command = []string{"/usr/bin/radicale", "--config", config}
	s.as = func(r *http.Request, user string) { r.SetBasicAuth(user, user) }
	s.start(t)
	t.Cleanup(func() { s.process.Kill() })
	return s
}

// startXandikos starts Debian's xandikos, which asks nobody for a password.
func startXandikos(t testing.TB) *calServer {
	t.Helper()
	dir := t.TempDir()
	s := &calServer{name: "xandikos", address: freeport.Address(t), home: "/{user}/calendars/", log: filepath.Join(dir, "log")}
	host, port, _ := strings.Cut(s.address, ":")
	s.command = []string{"/usr/bin/xandikos", "-l", host, "-p", port, "-d", filepath.Join(dir, "data"), "--autocreate", "--current-user-principal", "/alice/"}
	s.as = func(*http.Request, string) {}
	s.start(t)
	t.Cleanup(func() { s.process.Kill() })
	for _, folder := range []string{"/Bob/", "/Bob/calendars/"} { // those of alice it makes itself
		s.do(t, "Bob", "MKCOL", folder, "")
	}
	return s
}

// start starts the server, and returns when it answers.
func (s *calServer) start(t testing.TB) {
	t.Helper()
	command := exec.Command(s.command[0], s.command[1:]...)
	running, err := process.Start(command, s.log)
	if err != nil {
		t.Fatalf("%v: `make test` installs the server (scripts/install-test-packages)", err)
	}
	s.process = running
	err = running.Await(time.Minute, func() error {
		response, err := http.Get("http://" + s.address + "/")
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	})
	if err != nil {
		t.Fatalf("%s %v\n%s", s.name, err, running.Log())
	}
}

// do makes a request as a user.
func (s *calServer) do(t testing.TB, user, method, path, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	s.as(request, user)
	if method == http.MethodPut {
		request.Header.Set("Content-Type", "text/calendar")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode >= 300 {
		t.Fatalf("%s: %s %s: %d %s\n%s", s.name, method, path, response.StatusCode, text, s.process.Log())
	}
}

// path is where a calendar or an event of a user is.
func (s *calServer) path(user, rest string) string {
	return strings.Replace(s.home, userPlaceholder, user, 1) + rest
}

// makeCalendar makes a calendar for events, or for tasks.
func (s *calServer) makeCalendar(t testing.TB, user, name, component string) {
	t.Helper()
	s.do(t, user, "MKCALENDAR", s.path(user, name+"/"), `<?xml version="1.0"?><c:mkcalendar xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">`+
		`<d:set><d:prop><d:resourcetype><d:collection/><c:calendar/></d:resourcetype><c:supported-calendar-component-set><c:comp name="`+component+
		`"/></c:supported-calendar-component-set></d:prop></d:set></c:mkcalendar>`)
}

// put makes or changes an event in the calendar work.
func (s *calServer) put(t testing.TB, user, uid, event string) {
	t.Helper()
	s.do(t, user, http.MethodPut, s.path(user, "work/"+uid+".ics"), calendarText("UID:"+uid+"\n"+event))
}

func (s *calServer) remove(t testing.TB, user, uid string) {
	t.Helper()
	s.do(t, user, http.MethodDelete, s.path(user, "work/"+uid+".ics"), "")
}

// calendarText makes an iCalendar text of the lines of events.
func calendarText(events ...string) string {
	text := "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example.test//test//EN\n"
	for _, event := range events {
		text += "BEGIN:VEVENT\nDTSTAMP:20260101T000000Z\n" + strings.TrimSuffix(event, "\n") + "\nEND:VEVENT\n"
	}
	return strings.ReplaceAll(text+"END:VCALENDAR\n", "\n", "\r\n")
}

// around makes the lines of an event that is from a while ago until in a while.
func around(before, after time.Duration, more string) string {
	now := time.Now().UTC()
	const form = "20060102T150405Z"
	return "DTSTART:" + now.Add(-before).Format(form) + "\nDTEND:" + now.Add(after).Format(form) + "\n" + more
}
