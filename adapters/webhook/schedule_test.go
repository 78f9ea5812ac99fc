package webhook_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/webhooktest"
	"github.com/zarafa/presence/ports"
)

// A message that is not taken is sent again on the schedule of Standard Webhooks, for ever, with the same id.
func TestTheSchedule(t *testing.T) {
	alone(t, func(s *stage, give func(domain.Status)) {
		s.respond(always(500))
		give(domain.Busy)
		time.Sleep(8 * 24 * time.Hour)
		sent := s.takeSent()
		pauses := []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour,
			24 * time.Hour, 24 * time.Hour, 24 * time.Hour,
		}
		if len(sent) < len(pauses) || sent[0].At.Sub(s.began) > time.Second {
			t.Fatalf("in 8 days there were %d attempts, the first after %v", len(sent), sent[0].At.Sub(s.began))
		}
		exact := 0
		for i, want := range pauses[:len(pauses)-1] {
			pause := sent[i+1].At.Sub(sent[i].At)
			if pause < want*9/10 || pause > want*11/10 {
				t.Errorf("after attempt %d there is a pause of %v, want %v", i+1, pause, want)
			}
			if pause == want {
				exact++
			}
			if sent[i+1].ID != sent[0].ID || string(sent[i+1].Body) != string(sent[0].Body) || !strings.HasPrefix(sent[0].ID, "msg_") {
				t.Errorf("attempt %d is %s %s, want %s %s", i+2, sent[i+1].ID, sent[i+1].Body, sent[0].ID, sent[0].Body)
			}
		}
		if exact > 3 {
			t.Errorf("%d pauses have no jitter", exact)
		}
		s.respond(nil)
		time.Sleep(27 * time.Hour)
		s.expect("anna busy")
		give(domain.Away)
		s.expect("anna away") // at once: the endpoint is well
		if log := s.log.String(); strings.Count(log, "level=WARN") != 1 || strings.Count(log, "takes messages again") != 1 || strings.Contains(log, "crm.example.test") {
			t.Errorf("the log is %s", log)
		}
	})
}

// What supersedes a waiting state has a new id and waits as long, and nobody waits with more than one state.
func TestAWaitingStateIsSuperseded(t *testing.T) {
	staged(t, nil, func(s *stage) {
		s.respond(always(503))
		s.busy("anna")
		first := s.expect("anna busy")
		s.away("anna")
		s.set("anna", domain.Shown{Status: domain.Available})
		s.away("anna")
		s.expect("")
		if waiting := s.exporter.Statistics().Waiting; waiting != 1 {
			t.Errorf("%d wait", waiting)
		}
		time.Sleep(6 * time.Second)
		second := s.expect("anna away")
		time.Sleep(6 * time.Minute)
		third := s.expect("anna away")
		if len(second)+len(third) != 2 || second[0].ID == first[0].ID || third[0].ID != second[0].ID || second[0].Data.Revision != 4 {
			t.Errorf("the ids are %s, %s, %s", first[0].ID, second[0].ID, third[0].ID)
		}
	})
}

// What changes and changes back while it waits is not told, unless the receiver may have been told of it.
func TestWhatChangesBack(t *testing.T) {
	staged(t, nil, func(s *stage) {
		s.busy("anna")
		s.busy("bea")
		s.expect("anna busy, bea busy")
		s.respond(always(500))
		s.away("anna") // which is tried
		s.expect("anna away")
		s.away("bea") // which is not
		s.busy("bea")
		s.busy("anna")
		s.respond(nil)
		time.Sleep(6 * time.Second)
		s.expect("anna busy")
	})
}

// A dead endpoint is asked on its schedule, however many users wait, and is told the latest of each when it is back.
func TestADeadEndpoint(t *testing.T) {
	const users = 800
	staged(t, nil, func(s *stage) {
		s.respond(always(500))
		for range 3 {
			for i := range users {
				s.busy(fmt.Sprint("u", i))
				s.away(fmt.Sprint("u", i))
			}
		}
		time.Sleep(40 * time.Minute)
		if attempts := len(s.takeSent()); attempts < 4 || attempts > 8 {
			t.Errorf("in 40 minutes there were %d attempts", attempts)
		}
		if statistics := s.exporter.Statistics(); statistics.Waiting != users || statistics.FailingSince.IsZero() || s.all.Statuses()[0].State != domain.ExporterFailing {
			t.Errorf("the statistics are %+v", statistics)
		}
		s.respond(nil)
		time.Sleep(3 * time.Hour)
		told := map[string]int{}
		for _, m := range s.takeSent() {
			if told[m.Data.User]++; m.Data.Status != "away" {
				t.Errorf("%s is told to be %s", m.Data.User, m.Data.Status)
			}
		}
		if len(told) != users || s.exporter.Statistics().Waiting != 0 {
			t.Errorf("%d users were told, %d wait", len(told), s.exporter.Statistics().Waiting)
		}
		for user, times := range told {
			if times != 1 {
				t.Errorf("%s was told %d times", user, times)
			}
		}
	})
}

// Retry-After counts if the status is 429 or 503, up to a day.
func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		status int
		header string
		want   time.Duration
	}{
		{429, "90", 90 * time.Second}, {503, "90", 90 * time.Second}, {500, "90", 5 * time.Second}, {429, "99999999", 24 * time.Hour},
		{429, "2147483648", 24 * time.Hour}, {503, "99999999999999999999", 24 * time.Hour},
		{429, "0", 5 * time.Second}, {429, "soon", 5 * time.Second}, {429, "", 5 * time.Second}, {503, "-3", 5 * time.Second},
		{429, time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC).Format(http.TimeFormat), 10 * time.Minute}, // synctest begins in the year 2000
		{429, time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC).Format(http.TimeFormat), 5 * time.Second},
	} {
		staged(t, nil, func(s *stage) {
			s.respond(always(test.status, "Retry-After", test.header))
			s.busy("anna")
			s.busy("bea")
			first := s.expect("anna busy")
			time.Sleep(test.want * 6 / 5)
			if pause := s.takeSent()[0].At.Sub(first[0].At); pause < test.want*9/10 || pause > test.want*11/10 {
				t.Errorf("%d with Retry-After %q: the next attempt comes after %v, want %v", test.status, test.header, pause, test.want)
			}
		})
	}
}

// 410 disables the endpoint until the configuration is read anew. Then nothing that has changed meanwhile is lost.
func TestGone(t *testing.T) {
	staged(t, nil, func(s *stage) {
		s.busy("bea")
		s.expect("bea busy")
		s.respond(always(410))
		s.busy("anna")
		s.expect("anna busy")
		s.away("bea")
		time.Sleep(10 * time.Hour)
		s.expect("")
		if all := s.all.Statuses(); all[0].State != domain.ExporterDisabled || all[0].Failed != 1 || all[0].Waiting != 0 {
			t.Errorf("it is %+v", all[0])
		}
		s.respond(nil)
		if err := s.all.Configure([]ports.Exporter{s.exporter}, 1); err != nil {
			t.Fatal(err)
		}
		s.expect("anna busy, bea away")
	})
}

// A redirect, an answer that is no success, none at all, and one that does not come within 20 s are failures.
func TestFailures(t *testing.T) {
	answers := map[string]func(webhooktest.Message) *http.Response{
		"answered 302 Found":                 always(302, "Location", "https://elsewhere.example.test/"),
		"answered 308 Permanent Redirect":    always(308, "Location", "https://elsewhere.example.test/"),
		"answered 400 Bad Request":           always(400),
		"answered 500 Internal Server Error": always(500),
		"answered 100 Continue":              always(100),
		"has not answered within 20s":        func(webhooktest.Message) *http.Response { return nil },
	}
	for want, answer := range answers {
		staged(t, nil, func(s *stage) {
			s.respond(answer)
			s.busy("anna")
			s.expect("anna busy")
			time.Sleep(21 * time.Second)
			s.respond(nil)
			time.Sleep(6 * time.Minute)
			if sent := s.takeSent(); len(sent) == 0 || sent[len(sent)-1].Data.User != "anna@example.test" || s.exporter.Statistics().Waiting != 0 {
				t.Errorf("%s: after that %d attempts were made, %d wait", want, len(sent), s.exporter.Statistics().Waiting)
			}
			if log := s.log.String(); !strings.Contains(log, want) || !strings.Contains(log, "webhook=crm") {
				t.Errorf("the log is %s, want %q", log, want)
			}
		})
	}
	for _, status := range []int{200, 201, 202, 204, 299} {
		staged(t, nil, func(s *stage) {
			s.respond(always(status))
			s.busy("anna")
			time.Sleep(time.Minute)
			s.expect("anna busy")
		})
	}
}

// A receiver that refuses what it is told of some users is told of all others without delay.
func TestAReceiverThatRefusesSomeUsers(t *testing.T) {
	staged(t, nil, func(s *stage) {
		s.respond(func(m webhooktest.Message) *http.Response {
			if strings.HasPrefix(m.Data.User, "stranger") {
				return status(404)
			}
			return status(204)
		})
		for i := range 20 {
			s.busy(fmt.Sprint("stranger", i))
			s.busy(fmt.Sprint("member", i))
			if sent := s.takeSent(); len(sent) != 2 {
				t.Fatalf("%d messages were sent for two users", len(sent))
			}
		}
		if log := s.log.String(); strings.Count(log, "level=WARN") != 1 || strings.Contains(log, "takes messages again") {
			t.Errorf("the log is %s", log)
		}
		time.Sleep(time.Minute)
		if sent := s.takeSent(); len(sent) < 1 || len(sent) > 20 {
			t.Errorf("the strangers were tried %d times", len(sent))
		}
		s.away("member1")
		s.away("stranger1")
		if waiting := s.exporter.Statistics().Waiting; waiting < 20 || waiting > 21 {
			t.Errorf("%d wait", waiting)
		}
		time.Sleep(24 * time.Hour)
		told := false
		for _, m := range s.takeSent() {
			told = told || m.Data.User == "member1@example.test"
		}
		if !told {
			t.Error("a member is not told of because of the strangers")
		}
	})
}

// Who refuses one user, however often, does not fail; who does not let us in does, at once.
func TestWhatIsAFailure(t *testing.T) {
	for status, fails := range map[int]bool{400: false, 404: false, 422: false, 401: true, 403: true, 408: true, 429: true, 500: true, 301: true} {
		staged(t, nil, func(s *stage) {
			s.respond(always(status))
			s.busy("anna")
			time.Sleep(4 * time.Hour)
			if statistics := s.exporter.Statistics(); statistics.FailingSince.IsZero() == fails || statistics.Waiting != 1 || statistics.Failed < 5 {
				t.Errorf("%d: %+v", status, statistics)
			}
		})
	}
}

// A few messages are on their way at once, each of another user.
func TestFewMessagesAtOnce(t *testing.T) {
	staged(t, nil, func(s *stage) {
		s.respond(func(webhooktest.Message) *http.Response {
			time.Sleep(time.Second)
			return status(204)
		})
		for i := range 20 {
			s.busy(fmt.Sprint("u", i%10))
			s.away(fmt.Sprint("u", i%10))
		}
		time.Sleep(time.Minute)
		users := map[string]time.Time{}
		for _, m := range s.takeSent() {
			if before := users[m.Data.User]; m.At.Sub(before) < time.Second {
				t.Errorf("two messages about %s are on their way", m.Data.User)
			}
			users[m.Data.User] = m.At
		}
		if s.most != 4 || len(users) != 10 {
			t.Errorf("%d were on their way at once, %d users were told", s.most, len(users))
		}
	})
}

// What was not acknowledged before the daemon was killed is sent again, with the same id, and nothing else is.
func TestIDsOutliveARestart(t *testing.T) {
	staged(t, nil, func(s *stage) {
		s.busy("anna")
		s.busy("bea")
		time.Sleep(10 * time.Second)
		s.expect("anna busy, bea busy")
		s.all.Renew()
		s.expect("")
		s.respond(always(500))
		s.away("bea")
		before := s.expect("bea away")
		s.end()
		s.respond(nil)
		s.begin()
		if after := s.expect("bea away"); len(after) != 1 || after[0].ID != before[0].ID {
			t.Errorf("before the restart it was %+v, after it %+v", before, after)
		}
		s.end()
		s.begin()
		s.expect("")
	})
}

// A webhook that is taken out of the configuration sends nothing more.
func TestAWebhookThatIsGone(t *testing.T) {
	staged(t, nil, func(s *stage) {
		s.busy("anna")
		s.expect("anna busy")
		if err := s.all.Configure(nil, 1); err != nil {
			t.Fatal(err)
		}
		s.busy("bea")
		time.Sleep(time.Minute)
		s.expect("")
	})
}
