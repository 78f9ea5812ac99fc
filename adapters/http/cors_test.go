package http_test

import (
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
)

const (
	intranet  = "https://intranet.example.test"
	elsewhere = "https://elsewhere.example.test"
)

// allow lets pages of some origins use the server.
func allow(origins ...string) func(*http.Config) {
	return func(cfg *http.Config) { cfg.CORSOrigins = origins }
}

// corsHeaders are those that a browser looks at.
func corsHeaders(a answer) string {
	var found []string
	for _, name := range []string{"Allow-Origin", "Allow-Methods", "Allow-Headers", "Allow-Credentials", "Expose-Headers", "Max-Age"} {
		if value := a.header.Get("Access-Control-" + name); value != "" {
			found = append(found, name+": "+value)
		}
	}
	return strings.Join(found, "; ")
}

func TestCORS(t *testing.T) {
	const exposed = "; Expose-Headers: ETag, Retry-After, WWW-Authenticate, X-Request-Id"
	for _, test := range []struct {
		name         string
		origins      []string
		origin, want string
		vary         string
	}{
		{"none allowed", nil, intranet, "", ""},
		{"one of the allowed", []string{"http://localhost:8080", intranet}, intranet, "Allow-Origin: " + intranet + exposed, "Origin"},
		{"another", []string{intranet}, elsewhere, "", "Origin"},
		{"longer", []string{intranet}, intranet + ".evil.test", "", "Origin"},
		{"another scheme", []string{intranet}, "http://intranet.example.test", "", "Origin"},
		{"another port", []string{intranet}, intranet + ":8443", "", "Origin"},
		{"another case", []string{intranet}, "https://Intranet.example.test", "", "Origin"},
		{"null", []string{intranet}, "null", "", "Origin"},
		{"all allowed", []string{"*"}, elsewhere, "Allow-Origin: *" + exposed, ""},
		{"no page", []string{intranet}, "", "", "Origin"},
		{"no page, all allowed", []string{"*"}, "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, allow(test.origins...))
			r.knows(t, mark, spreed, domain.Busy, "")
			headers := []string{"X-Nothing: x"}
			if test.origin != "" {
				headers = []string{"Origin: " + test.origin}
			}
			for path, status := range map[string]int{"/v1/users/markd@zarafa.com": 200, "/v1/users": 400, "/v1/nothing": 404} {
				got := r.v1(t, alice, "GET", path, "", headers...)
				if got.status != status || corsHeaders(got) != test.want || got.header.Get("Vary") != test.vary {
					t.Errorf("GET %s: %d %s, Vary: %s", path, got.status, corsHeaders(got), got.header.Get("Vary"))
				}
			}
			if got := send(t, r.Server, "GET", "/v1/sources", "", headers...); got.status != 401 || corsHeaders(got) != test.want {
				t.Errorf("without a token: %d %s", got.status, corsHeaders(got))
			}
			if got := send(t, r.Server, "POST", "/", r.body(mark, ""), headers...); got.status != 200 || corsHeaders(got) != "" {
				t.Errorf("the original API: %d %s", got.status, corsHeaders(got))
			}
		})
	}
}

// TestCORSOfEvents: their header does not take the way of other answers.
func TestCORSOfEvents(t *testing.T) {
	r := start(t, allow(intranet))
	for origin, want := range map[string]string{intranet: intranet, elsewhere: ""} {
		request, err := nethttp.NewRequest("GET", "http://"+r.Addr().String()+"/v1/events?user="+mark, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+r.tokens.Issue(alice))
		request.Header.Set("Origin", origin)
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Access-Control-Allow-Origin"); response.StatusCode != nethttp.StatusOK || got != want || response.Header.Get("Vary") != "Origin" ||
			response.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("from %s: %d %v", origin, response.StatusCode, response.Header)
		}
	}
}

// TestPreflight: no token is needed for it, for a browser sends none.
func TestPreflight(t *testing.T) {
	ask := func(origins []string, origin, path string, headers ...string) answer {
		r := start(t, allow(origins...))
		return send(t, r.Server, "OPTIONS", path, "", append(headers, "Origin: "+origin)...)
	}
	const wanted = "Access-Control-Request-Method: PUT"
	for _, path := range []string{"/v1/users/markd@zarafa.com/manual", "/v1/events", "/v1/nothing"} {
		for allowed, origins := range map[string][]string{intranet: {intranet}, "*": {"*"}} {
			got := ask(origins, intranet, path, wanted, "Access-Control-Request-Headers: authorization,content-type,last-event-id")
			want := "Allow-Origin: " + allowed + "; Allow-Methods: GET, PUT, POST, DELETE" +
				"; Allow-Headers: Authorization, Content-Type, If-None-Match, Last-Event-ID, Cache-Control, X-Request-Id; Max-Age: 7200"
			if got.status != 204 || got.body != "" || corsHeaders(got) != want {
				t.Errorf("%s: %d %s", path, got.status, corsHeaders(got))
			}
		}
	}
	for _, origins := range [][]string{nil, {intranet}} {
		got := ask(origins, elsewhere, "/v1/users", wanted)
		if got.status != 403 || corsHeaders(got) != "" || !strings.Contains(got.problem(t).Detail, "http.cors_origins") {
			t.Errorf("another origin: %d %s %s", got.status, corsHeaders(got), got.body)
		}
	}
	if got := ask([]string{"*"}, intranet, "/", wanted); got.status != 405 || corsHeaders(got) != "" {
		t.Errorf("the original API: %d %s", got.status, corsHeaders(got))
	}
	if got := ask([]string{"*"}, intranet, "/v1/users"); got.status != 405 {
		t.Errorf("OPTIONS that is no preflight: %d", got.status)
	}
}

// TestRefusedOriginsAreLogged: the browser tells a page only that it failed, so the log has to say which key is at fault.
func TestRefusedOriginsAreLogged(t *testing.T) {
	r := start(t, allow(intranet))
	for range 3 {
		send(t, r.Server, "OPTIONS", "/v1/users", "", "Origin: "+elsewhere, "Access-Control-Request-Method: GET")
	}
	log := r.log.String()
	if strings.Count(log, "http.cors_origins") != 1 || !strings.Contains(log, "origin="+elsewhere) || strings.Contains(log, "refused a request") {
		t.Errorf("the log is\n%s", log)
	}
}

func TestCORSOriginsAreValidated(t *testing.T) {
	for origin, want := range map[string]string{
		"*": "", intranet: "", "http://localhost:8080": "", "https://[2001:db8::1]:8443": "", "http://192.0.2.1": "",
		"":                              `"" is not an origin`,
		"intranet.example.test":         `"intranet.example.test" is not an origin`,
		"null":                          `"null" is not an origin`,
		"https://":                      `"https://" is not an origin`,
		"https://:8443":                 `"https://:8443" is not an origin`,
		"ftp://intranet.example.test":   `"ftp://intranet.example.test" is not an origin`,
		"https://*.example.test":        `"https://*.example.test" is not an origin`,
		intranet + "/page":              `"https://intranet.example.test/page" is not an origin`,
		intranet + "?x":                 `"https://intranet.example.test?x" is not an origin`,
		intranet + "#x":                 `"https://intranet.example.test#x" is not an origin`,
		"https://mark@example.test":     `"https://mark@example.test" is not an origin`,
		"https://ünïcode.example.test":  `"https://ünïcode.example.test" is not an origin`,
		"https://a b.example.test":      `"https://a b.example.test" is not an origin`,
		intranet + ",":                  `"https://intranet.example.test," is not an origin`,
		intranet + ";sandbox":           `"https://intranet.example.test;sandbox" is not an origin`,
		intranet + ":99999":             `"https://intranet.example.test:99999" is not an origin`,
		intranet + "/":                  `browsers write "https://intranet.example.test/" as "https://intranet.example.test"`,
		"HTTPS://Intranet.Example.test": `browsers write "HTTPS://Intranet.Example.test" as "https://intranet.example.test"`,
		intranet + ":443":               `browsers write "https://intranet.example.test:443" as "https://intranet.example.test"`,
		"http://localhost:80":           `browsers write "http://localhost:80" as "http://localhost"`,
	} {
		err := valid(origin)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), "http.cors_origins: "+want) {
			t.Errorf("%q: %v, want %s", origin, err, want)
		}
	}
	if err := valid("*", intranet); err == nil || !strings.Contains(err.Error(), "* is every origin") {
		t.Errorf("* and another: %v", err)
	}
	if err := valid(intranet, intranet); err == nil || !strings.Contains(err.Error(), "is there twice") {
		t.Errorf("one twice: %v", err)
	}
}

func valid(origins ...string) error {
	cfg := localConfig()
	cfg.CORSOrigins = origins
	return cfg.Validate()
}

// TestFrameAncestors: the board may be shown in the pages of the listed origins, and other pages in none. X-Frame-Options says the same.
func TestFrameAncestors(t *testing.T) {
	cfg := localConfig()
	r := startWith(t, cfg, coretest.Start(t))
	for _, test := range []struct {
		origins     []string
		policy, xfo string
	}{
		{nil, "'none'", "DENY"},
		{[]string{intranet}, intranet, ""},
		{[]string{intranet, "http://localhost:8080"}, intranet + " http://localhost:8080", ""},
		{nil, "'none'", "DENY"}, // by a reload
	} {
		cfg.FrameAncestors = test.origins
		r.Configure(cfg)
		for path, want := range map[string][2]string{"/board": {test.policy, test.xfo}, "/docs": {"'none'", "DENY"}, "/client.js": {"'none'", "DENY"}} {
			got := get(t, r.Server, "GET", path)
			if policy := got.header.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "; frame-ancestors "+want[0]) || got.header.Get("X-Frame-Options") != want[1] {
				t.Errorf("%v: %s: %s, X-Frame-Options: %q", test.origins, path, policy, got.header.Get("X-Frame-Options"))
			}
		}
	}
}

func TestFrameAncestorsAreValidated(t *testing.T) {
	for origin, want := range map[string]string{
		intranet: "", "http://localhost:8080": "",
		"*":                         `"*" is not an origin`,
		"'self'":                    `"'self'" is not an origin`,
		"https://*.example.test":    `"https://*.example.test" is not an origin`,
		intranet + "/":              "browsers write ",
		intranet + "; script-src *": `"https://intranet.example.test; script-src *" is not an origin`,
		"https://[2001:db8::1]":     `"https://[2001:db8::1]": browsers know no IPv6 addresses there`,
	} {
		cfg := localConfig()
		cfg.FrameAncestors = []string{origin}
		if err := cfg.Validate(); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), "http.frame_ancestors: "+want) {
			t.Errorf("%q: %v, want %s", origin, err, want)
		}
	}
}
