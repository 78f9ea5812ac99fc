package http_test

import (
	"bufio"
	"fmt"
	"net"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/setting"
)

// TestMaxHeader: what a single sign-on adds to a request fits, and the limit can be set.
func TestMaxHeader(t *testing.T) {
	for _, test := range []struct {
		limit  setting.Size
		cookie int
		status int
	}{
		{http.DefaultConfig().MaxHeader, 15 << 10, 404}, {http.DefaultConfig().MaxHeader, 17 << 10, 431},
		{64 * setting.KiB, 60 << 10, 404}, {64 * setting.KiB, 65 << 10, 431},
	} {
		r := start(t, func(c *http.Config) { c.MaxHeader = test.limit })
		conn, err := net.Dial("tcp", r.Server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Fprintf(conn, "GET /nothing HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n", strings.Repeat("x", test.cookie)) // refused before its end
		answer, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != test.status {
			t.Errorf("limit %v, a cookie of %d bytes: %d, want %d", test.limit, test.cookie, answer.StatusCode, test.status)
		}
		_, _ = answer.Body.Close(), conn.Close()
	}
	for _, limit := range []setting.Size{0, 1, 2 * setting.MiB} {
		cfg := http.DefaultConfig()
		if cfg.MaxHeader = limit; cfg.Validate() == nil {
			t.Errorf("%v is valid", limit)
		}
	}
}
