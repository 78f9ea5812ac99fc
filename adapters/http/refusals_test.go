package http_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/http"
)

// TestNoRefusalHidesAnother: a client is refused with 401 until nothing more of that is logged. A 403 of the same client and a 401 of another one are
// logged none the less, and what is not logged is counted, each status apart.
func TestNoRefusalHidesAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logged)
		note, _ := http.NewRefusalsOf(log)
		attacker, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		for range 3 {
			note(401, attacker)
		}
		note(403, attacker)
		note(403, attacker)
		note(401, other)
		if log := log.String(); strings.Count(log, "refused a request") != 3 || !strings.Contains(log, "status=403") || !strings.Contains(log, "192.0.2.2") {
			t.Errorf("log:\n%s", log)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if log := log.String(); !strings.Contains(log, `192.0.2.2 request_id="" others_since=2`) || !strings.Contains(log, `"refused further requests" status=403 count=1`) {
			t.Errorf("log:\n%s", log)
		}
	})
}

// TestManyAddressesCannotFillTheLog refuses a thousand clients in each of ten seconds.
func TestManyAddressesCannotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logged)
		note, end := http.NewRefusalsOf(log)
		for range 10 {
			for i := range 1000 {
				note(401, netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i/250, i%250)))
			}
			time.Sleep(time.Second)
		}
		end()
		if n := strings.Count(log.String(), "\n"); n > 120 {
			t.Errorf("%d lines", n)
		}
		logged := 0
		for line := range strings.Lines(log.String()) {
			var others, more int
			if _, after, found := strings.Cut(line, "others_since="); found {
				_, _ = fmt.Sscan(after, &others)
				logged += 1 + others
			}
			if _, after, found := strings.Cut(line, "count="); found {
				_, _ = fmt.Sscan(after, &more)
				logged += more
			}
		}
		if logged != 10_000 {
			t.Errorf("%d refusals are accounted for", logged)
		}
	})
}
