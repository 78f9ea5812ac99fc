package caldav

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

// icsServer serves a calendar at a secret address, as a test wants it.
type icsServer struct {
	*httptest.Server
	mu     sync.Mutex
	answer http.HandlerFunc
	asked  []*http.Request
}

func startICS(t testing.TB, tls bool) *icsServer {
	t.Helper()
	s := &icsServer{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r)
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	})
	if tls {
		s.Server = httptest.NewTLSServer(handler)
	} else {
		s.Server = httptest.NewServer(handler)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *icsServer) answers(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// requests returns what was asked so far.
func (s *icsServer) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// gives answers with a text, with an ETag and the time of a change, and 304 to who has it.
func gives(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(len(text))))
		http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), strings.NewReader(text))
	}
}

const secretPath = "/calendar/s3cret/basic.ics"

func icsConfig(server *icsServer) func(*Config) {
	return func(c *Config) {
		c.URL, c.ICS = "", []ICS{{User: "Alice@example.test", URL: setting.NewSecret(server.URL + secretPath)}}
		c.InsecureSkipVerify, c.Refresh = true, 50*time.Millisecond
	}
}

// A calendar at a secret address is read, and asked for with what is known of it.
func TestSecretAddress(t *testing.T) {
	t.Parallel()
	server := startICS(t, false)
	server.answers(gives(calendarText(around(time.Hour, time.Hour, "SUMMARY:x"))))
	source, _ := newTestSource(t, namesOf(), icsConfig(server))
	observer := runSource(t, source)
	observer.shows(t, alice.User, domain.Busy)
	eventually(t, "it is in sync", observer.isSynced)
	eventually(t, "it asks whether something has changed", func() bool {
		last := server.requests()[len(server.requests())-1]
		return last.Header.Get("If-None-Match") != "" && last.Header.Get("If-Modified-Since") != ""
	})
	away := gives(calendarText(around(time.Hour, time.Hour, "SUMMARY:x\nX-MICROSOFT-CDO-BUSYSTATUS:OOF")))
	server.answers(away)
	observer.shows(t, alice.User, domain.Away)

	// What is no calendar changes nothing, and neither does an error of the server.
	for _, broken := range []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(calendarText("UID:1")[:40])) },
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 11<<20)) },
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/s3cret", http.StatusFound)
		},
	} {
		before := len(server.requests())
		server.answers(broken)
		eventually(t, "it is asked again", func() bool { return len(server.requests()) > before+1 })
		if r := observer.get(alice.User); r.Status != domain.Away {
			t.Errorf("she is %+v", r)
		}
		server.answers(away)
		before = len(server.requests())
		eventually(t, "it is asked again", func() bool { return len(server.requests()) > before+1 })
	}
	// An address that was withdrawn does.
	server.answers(http.NotFound)
	eventually(t, "nothing is left, or the Run has ended", func() bool {
		select {
		case err := <-observer.err:
			return errors.Is(err, ports.ErrRejected) && !strings.Contains(err.Error(), "s3cret")
		default:
			return false
		}
	})
}

// A secret address may lead to others with TLS, which are not told the first one. If no calendar can be read, the error says why and not where.
func TestSecretAddressLeadsOn(t *testing.T) {
	t.Parallel()
	end, begin := startICS(t, true), startICS(t, true)
	end.answers(gives(calendarText(around(time.Hour, time.Hour, ""))))
	begin.answers(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, end.URL+"/elsewhere", http.StatusFound)
	})
	source, _ := newTestSource(t, namesOf(), icsConfig(begin))
	observer := runSource(t, source)
	observer.shows(t, alice.User, domain.Busy)
	for _, asked := range end.requests() {
		if asked.Referer() != "" {
			t.Errorf("the other server is told of %s", asked.Referer())
		}
	}
	observer.stop()

	for name, answer := range map[string]http.HandlerFunc{
		"without end": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		"to plain": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/s3cret", http.StatusFound)
		},
		"to a file": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/s3cret", http.StatusFound)
		},
		"to nonsense": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "://s3cret\x7f")
			w.WriteHeader(http.StatusFound)
		},
		"is refused":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"is forbidden": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
	} {
		begin.answers(answer)
		source, _ := newTestSource(t, namesOf(), icsConfig(begin))
		observer := runSource(t, source)
		err := <-observer.err
		if err == nil || strings.Contains(err.Error(), "s3cret") || errors.Is(err, ports.ErrRejected) != strings.HasPrefix(name, "is ") || observer.isSynced() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server that asks for a pause gets one.
func TestPause(t *testing.T) {
	t.Parallel()
	server := startICS(t, false)
	server.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	source, log := newTestSource(t, namesOf(), icsConfig(server))
	observer := runSource(t, source)
	eventually(t, "it is asked", func() bool { return strings.Contains(log.String(), "asks for a pause") })
	time.Sleep(5 * source.config.Refresh)
	if n := len(server.requests()); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	observer.stop()
	now := source.clock.Now().Time()
	for text, want := range map[string]time.Duration{"5": 5 * time.Second, "-5": source.limits.firstRetry, "99999999": time.Hour,
		now.Add(10 * time.Minute).Format(http.TimeFormat): 10 * time.Minute, "": source.limits.lastRetry, "soon": source.limits.lastRetry} {
		if got, _ := retryAfter(text, source); (got - want).Abs() > 2*time.Second {
			t.Errorf("Retry-After: %s is %v, want %v", text, got, want)
		}
	}
}
