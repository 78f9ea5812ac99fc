package nats

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestOutageIsLoggedOnce: while the journal cannot be followed the log says so once, however often that is tried, and again after it could be.
func TestOutageIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := &reader{log: slog.New(slog.NewTextHandler(&out, nil))}
		for outage := 1; outage <= 2; outage++ {
			for range 100 {
				r.fallBehind(errors.New("no answer"), true)
				time.Sleep(3 * time.Second)
			}
			r.answered(time.Now(), 0)
			for _, line := range []string{"store degraded", "can be followed again"} {
				if n := strings.Count(out.String(), line); n != outage {
					t.Errorf("after outage %d the log has %q %d times", outage, line, n)
				}
			}
		}
	})
}
