package caldav

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

const davHead = `<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav" xmlns:s="http://calendarserver.org/ns/">`

// listed is an answer that lists a calendar.
func listed(href, tag string) string {
	return davHead + `<d:response><d:href>` + href + `</d:href><d:propstat><d:status>HTTP/1.1 200 OK</d:status><d:prop>` +
		`<d:resourcetype><c:calendar/></d:resourcetype><s:getctag>` + tag + `</s:getctag></d:prop></d:propstat></d:response></d:multistatus>`
}

func multi(w http.ResponseWriter, text string) {
	w.WriteHeader(http.StatusMultiStatus)
	_, _ = w.Write([]byte(text))
}

// A CalDAV server that answers anything at all costs nobody else their presence, and no more memory or time than is allowed.
func TestHostileServer(t *testing.T) {
	t.Parallel()
	foreign := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server was asked for %s, with %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer foreign.Close()
	good := calendarText(around(time.Hour, time.Hour, ""))
	homes := map[string]http.HandlerFunc{
		"elsewhere": func(w http.ResponseWriter, _ *http.Request) { multi(w, listed(foreign.URL+"/x/", "1")) },
		"redirects": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, foreign.URL+"/x/", http.StatusTemporaryRedirect)
		},
		"nonsense": func(w http.ResponseWriter, _ *http.Request) { multi(w, "\x00<") },
		"html":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"deep":     func(w http.ResponseWriter, _ *http.Request) { multi(w, davHead+strings.Repeat("<a>", 1_000_000)) },
		"entities": func(w http.ResponseWriter, _ *http.Request) {
			multi(w, `<!DOCTYPE x [<!ENTITY a "aaaa">]>`+davHead+"&a;</d:multistatus>")
		},
		"large":     func(w http.ResponseWriter, _ *http.Request) { multi(w, davHead+strings.Repeat(" ", 11<<20)) },
		"unfound":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"forbidden": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"denied":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"broken":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"rules": func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "PROPFIND" {
				multi(w, listed(r.URL.Path+"work/", "1"))
				return
			}
			multi(w, strings.Replace(listed("x", "1"), "<s:getctag>1</s:getctag>", "<c:calendar-data>"+
				calendarText(strings.Repeat("RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=1\n", 100_000)+"DTSTART:10000101T000000Z\nDURATION:PT1H")+"</c:calendar-data>", 1))
		},
		"alice": func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "PROPFIND" {
				multi(w, listed(r.URL.Path+"work/", "1"))
				return
			}
			multi(w, strings.Replace(listed("x", "1"), "<s:getctag>1</s:getctag>", "<c:calendar-data>"+good+"</c:calendar-data>", 1))
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		home, _, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
		if answer := homes[home]; answer != nil {
			answer(w, r)
			return
		}
		multi(w, davHead+"</d:multistatus>")
	}))
	defer server.Close()
	list := []domain.Name{}
	for name := range homes {
		list = append(list, domain.Name{Text: name, User: domain.UserID(name + "@example.test")})
	}
	source, log := newTestSource(t, namesOf(list...), func(c *Config) { c.URL = server.URL })
	observer := runSource(t, source)
	observer.shows(t, alice.User, domain.Busy)
	eventually(t, "all have been tried", observer.isSynced)
	time.Sleep(3 * source.config.Refresh)
	if r := observer.get(alice.User); r.Status != domain.Busy {
		t.Errorf("alice is %+v", r)
	}
	select {
	case err := <-observer.err:
		t.Errorf("the Run has ended: %v", err)
	default:
	}
	if strings.Contains(log.String(), foreign.URL) {
		t.Errorf("the log has an address of the server's choice:\n%s", log)
	}
}

// A calendar that the server never answers about, or only with the error of a proxy, costs nobody else anything, neither before everybody was looked at nor
// later.
func TestOneHomeHangs(t *testing.T) {
	t.Parallel()
	good := calendarText(around(time.Hour, time.Hour, ""))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/hangs/":
			_, _ = io.Copy(io.Discard, r.Body) // so that it is noticed when the client has gone
			<-r.Context().Done()
		case r.URL.Path == "/broken/":
			w.WriteHeader(http.StatusGatewayTimeout)
		case r.URL.Path == "/":
			multi(w, davHead+"</d:multistatus>")
		case r.Method == "PROPFIND":
			multi(w, listed(r.URL.Path+"work/", "1"))
		default:
			multi(w, strings.Replace(listed("x", "1"), "<s:getctag>1</s:getctag>", "<c:calendar-data>"+good+"</c:calendar-data>", 1))
		}
	}))
	defer server.Close()
	list := []domain.Name{alice, {Text: "hangs", User: "hangs@example.test"}, {Text: "broken", User: "broken@example.test"}}
	source, log := newTestSource(t, namesOf(list...), func(c *Config) { c.URL = server.URL })
	source.limits.silence = 3 * time.Second
	observer := runSource(t, source)
	eventually(t, "it is in sync", observer.isSynced)
	observer.shows(t, alice.User, domain.Busy)
	observer.knows(t, 10*time.Second, "some calendars cannot be read (2)")
	time.Sleep(3 * time.Second)
	observer.knows(t, 10*time.Second, "some calendars cannot be read (2)")
	observer.stop()
	if text := log.String(); strings.Contains(text, "the CalDAV server does not answer") || strings.Count(text, "cannot be read") != 2 {
		t.Errorf("the log is %s", text)
	}
}

// The name of a user cannot lead out of the homes.
func TestHomes(t *testing.T) {
	for name, want := range map[string]string{
		"alice": "https://dav.example.test/dav/calendars/alice/", "a/../b": "https://dav.example.test/dav/calendars/a%2F..%2Fb/",
		"ünï ☕?#": "https://dav.example.test/dav/calendars/%C3%BCn%C3%AF%20%E2%98%95%3F%23/", "alice@example.test": "https://dav.example.test/dav/calendars/alice@example.test/",
	} {
		source, _ := newTestSource(t, namesOf(domain.Name{Text: name, User: "a@b"}), func(c *Config) {
			c.URL, c.Homes = "https://dav.example.test/dav/", "/calendars/{user}/"
		})
		for _, c := range source.wanted(source.homeNames()) {
			if c.home.String() != want {
				t.Errorf("%s is at %s, want %s", name, c.home, want)
			}
		}
	}
}

// What the server says of the account later ends the Run, too.
func TestAccountIsWithdrawn(t *testing.T) {
	t.Parallel()
	refuses := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-refuses:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			multi(w, davHead+"</d:multistatus>")
		}
	}))
	defer server.Close()
	source, _ := newTestSource(t, namesOf(alice), func(c *Config) { c.URL = server.URL })
	observer := runSource(t, source)
	eventually(t, "it is in sync", observer.isSynced)
	close(refuses)
	if err := <-observer.err; !errors.Is(err, ports.ErrRejected) {
		t.Errorf("Run = %v", err)
	}
}

// FuzzMultistatus checks that whatever a server answers is read or refused, and that no reference leads to another server.
func FuzzMultistatus(f *testing.F) {
	f.Add([]byte(listed("/alice/work/", "1")))
	f.Add([]byte(listed("https://elsewhere.test/alice/", "&lt;")))
	f.Add([]byte(davHead + "<d:response><d:href>%zz</d:href></d:response></d:multistatus>"))
	home, _ := url.Parse("https://dav.example.test/alice/")
	f.Fuzz(func(t *testing.T, body []byte) {
		var all multistatus
		if parseMultistatus(body, &all) != nil {
			return
		}
		for i := range all.Responses {
			props := all.Responses[i].props()
			_ = hasEvents(&props)
			if address, ok := below(home, all.Responses[i].Href); ok && (address.Host != home.Host || address.Scheme != "https") {
				t.Errorf("%q leads to %s", all.Responses[i].Href, address)
			}
		}
	})
}

// Every fault of a configuration is named with its key, and no secret is in it.
func TestValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err == nil || !strings.HasPrefix(err.Error(), "calendar.url: it is missing") {
		t.Errorf("the default: %v", err)
	}
	secret := func(text string) ICS { return ICS{User: "a@b", URL: setting.NewSecret(text)} }
	tests := map[string]func(*Config){
		"calendar.url: it must be":                                func(c *Config) { c.URL = "dav.example.test" },
		"calendar.url: it has a query":                            func(c *Config) { c.URL = "https://me@dav.example.test" },
		"calendar.username":                                       func(c *Config) { c.Username = "" },
		"calendar.password":                                       func(c *Config) { c.Password = setting.NewSecret("") },
		"calendar.homes":                                          func(c *Config) { c.Homes = "/calendars/" },
		"calendar.ics: entry 1 (alice): user: invalid user":       func(c *Config) { c.ICS = []ICS{{User: "alice", URL: setting.NewSecret("https://x.test")}} },
		"calendar.ics: entry 1 (a@b): url: it must be an address": func(c *Config) { c.ICS = []ICS{secret("webcal://x.test/s3cret")} },
		"calendar.insecure_skip_verify":                           func(c *Config) { c.Roots.File, c.InsecureSkipVerify = "x", true },
		"calendar.busy: \"free\" must be":                         func(c *Config) { c.Busy = []string{"free"} },
		"calendar.away: opaque is there twice":                    func(c *Config) { c.Away = []string{"opaque"} },
		"calendar.tentative":                                      func(c *Config) { c.Tentative = "away" },
		"calendar.message":                                        func(c *Config) { c.Message = "all" },
		"calendar.time_zone: \"Berlin\"":                          func(c *Config) { c.TimeZone = "Berlin" },
		"calendar.refresh":                                        func(c *Config) { c.Refresh = 0 },
		"calendar.stale_after":                                    func(c *Config) { c.StaleAfter = c.Refresh },
		"calendar.keep":                                           func(c *Config) { c.Keep = 1000 * time.Hour },
	}
	for want, change := range tests {
		c := DefaultConfig()
		c.URL, c.Username, c.Password = "https://dav.example.test", "presence", setting.NewSecret("x")
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	c := DefaultConfig()
	c.URL, c.ICS = "http://127.0.0.1:5232", []ICS{secret("http://x.test/s3cret"), secret("https://x.test"), secret("http://localhost/x")}
	if got := fmt.Sprint(c.Warnings()); got != "[calendar.ics: entry 1 (a@b): url: it begins with http: anybody on the way can read the calendar]" {
		t.Errorf("the warnings are %s", got)
	}
	if strings.Contains(fmt.Sprintf("%+v", c), "s3cret") || bytes.Contains([]byte(fmt.Sprint(c)), []byte("s3cret")) {
		t.Error("a secret address is printed")
	}
}
