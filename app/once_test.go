package app_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// TestAttemptsAreLoggedOnce: a source that cannot connect for an hour is one line, another for another reason, and one when it is lost after a connection.
func TestAttemptsAreLoggedOnce(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		fail := func(times int, reason string, connected bool) {
			for range times {
				seen := <-s.runs
				if connected {
					seen.Connected()
					time.Sleep(time.Second)
				}
				s.lose <- fmt.Errorf("%s", reason)
			}
		}
		fail(100, "connection refused", false)
		fail(100, "no route to host", false)
		fail(1, "reset", true)
		fail(100, "connection refused", false)
		time.Sleep(time.Minute)
		synctest.Wait()
		log := s.log.String()
		if strings.Count(log, `"source cannot connect"`) != 3 || strings.Count(log, `"source lost"`) != 1 || strings.Count(log, "refused") != 2 {
			t.Errorf("301 attempts:\n%s", log)
		}
	})
}

// TestUnwritableIsLoggedOnce has a source report while nothing can be written for a minute, twice.
func TestUnwritableIsLoggedOnce(t *testing.T) {
	supervised(t, func(t *testing.T, s *stage) {
		seen := <-s.runs
		seen.Connected()
		for range 2 {
			began := time.Now()
			s.store.Journal.Before(1_000_000, func() error {
				if time.Since(began) < time.Minute {
					return ports.ErrUnavailable
				}
				return nil
			})
			for i := range 120 {
				seen.Report(online(anna, "x", domain.Busy, fmt.Sprint(i)))
				time.Sleep(time.Second)
			}
		}
		synctest.Wait()
		if log := s.log.String(); strings.Count(log, "cannot record presences") != 2 {
			t.Errorf("two minutes without writing, one after the other:\n%s", log)
		}
	})
}
