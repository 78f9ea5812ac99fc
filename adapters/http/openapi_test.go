package http_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	nethttp "net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/apicontract"
)

// theContract is the document that describes the APIs. The tests hold every answer that they get against it.
var theContract = sync.OnceValue(func() *apicontract.Contract {
	c, err := apicontract.Load("internal/pages/static/openapi.json")
	if err != nil {
		panic(err)
	}
	return c
})

// documented lets no answer pass that is not documented.
func documented(transport *nethttp.Transport) nethttp.RoundTripper {
	return apicontract.Transport{Contract: theContract(), Transport: transport}
}

func (a answer) asked() apicontract.Answer {
	return apicontract.Answer{Status: a.status, Header: a.header, Body: a.body}
}

// isDocumented checks the answer to a raw request.
func isDocumented(t tester, request string, got answer) {
	t.Helper()
	line, _, _ := strings.Cut(request, "\r\n")
	method, rest, _ := strings.Cut(line, " ")
	target, _, _ := strings.Cut(rest, " ")
	if err := theContract().Check(method, target, got.asked()); err != nil {
		t.Errorf("%v\n%.1000s", err, got.body)
	}
}

// complete makes a whole run of the tests fail if something that is documented was never answered: nothing would show that it is true.
type complete struct{ *testing.M }

func (m complete) Run() int {
	code := m.M.Run()
	for _, name := range []string{"run", "skip", "bench", "fuzz", "list"} {
		if flag.Lookup("test."+name).Value.String() != "" {
			return code
		}
	}
	for _, missing := range theContract().Unseen() {
		fmt.Println("documented, but never seen:", missing)
		code = max(code, 1)
	}
	return code
}

// TestEveryRouteIsDocumented: and nothing else.
func TestEveryRouteIsDocumented(t *testing.T) {
	c := theContract()
	var routes, documented []string
	for _, route := range start(t).Routes() {
		method, pattern, _ := strings.Cut(route, " ")
		segments := strings.Split(strings.ReplaceAll(pattern, `\:`, "\x00"), "/")
		for i, segment := range segments {
			if name, parameter := strings.CutPrefix(segment, ":"); parameter {
				segments[i] = "{" + name + "}"
			}
		}
		template := strings.ReplaceAll(strings.Join(segments, "/"), "\x00", ":")
		if strings.HasPrefix(template, "/assets/") {
			template = "/assets/{file}"
		}
		routes = append(routes, method+" "+template)
	}
	ids := map[string]bool{}
	for template, operations := range c.Doc["paths"].(map[string]any) {
		for method, operation := range operations.(map[string]any) {
			if method == "parameters" {
				continue
			}
			documented = append(documented, strings.ToUpper(method)+" "+template)
			if method == "get" { // HEAD is there wherever GET is, as the document says at its beginning
				documented = append(documented, "HEAD "+template)
			}
			id := operation.(map[string]any)["operationId"].(string)
			if ids[id] {
				t.Errorf("the operationId %s is there twice", id)
			}
			ids[id] = true
		}
	}
	slices.Sort(routes)
	slices.Sort(documented)
	documented = slices.Compact(documented)
	if routes = slices.Compact(routes); !slices.Equal(routes, documented) {
		t.Errorf("there are the routes\n%s\nand documented are\n%s", strings.Join(routes, "\n"), strings.Join(documented, "\n"))
	}
}

// TestTheDocumentHoldsTogether: references lead somewhere, schemas are schemas, and examples are examples of them.
func TestTheDocumentHoldsTogether(t *testing.T) {
	c := theContract()
	var walk func(value any, place []string)
	walk = func(value any, place []string) {
		switch value := value.(type) {
		case map[string]any:
			if ref, is := value["$ref"].(string); is {
				if _, _, ok := c.At(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...); !ok {
					t.Errorf("%v: %s leads nowhere", place, ref)
				}
			}
			if examples, is := value["examples"].(map[string]any); is {
				for name, example := range examples {
					if err := c.Valid(example.(map[string]any)["value"], append(slices.Clone(place), "schema")...); err != nil {
						t.Errorf("%v: the example %s: %v", place, name, err)
					}
				}
			}
			if example, is := value["example"]; is && value["schema"] != nil {
				if err := c.Valid(example, append(slices.Clone(place), "schema")...); err != nil {
					t.Errorf("%v: the example: %v", place, err)
				}
			}
			for name, inner := range value {
				walk(inner, append(slices.Clone(place), name))
			}
		case []any:
			for i, inner := range value {
				walk(inner, append(slices.Clone(place), fmt.Sprint(i)))
			}
		}
	}
	walk(c.Doc, nil)
}

// TestTheContractCanBeBroken: the checks that all tests rely on find what they are made for.
func TestTheContractCanBeBroken(t *testing.T) {
	const nobody = `{"user":"a@b","status":"unavailable","message":"","activity":null,"by":null,"reason":"unknown","rule":null,"since":null,"idle_since":null,"next":null,"stale":false,"revision":0,"protocols":{}}`
	tagged := nethttp.Header{"Content-Type": {"application/json"}, "Etag": {`W/"0123"`}}
	plain := nethttp.Header{"Content-Type": {"application/json"}}
	refused := nethttp.Header{"Content-Type": {"application/problem+json"}}
	for _, test := range []struct {
		method, target string
		answer         answer
		broken         bool
	}{
		{"GET", "/v1/users/a@b", answer{200, tagged, nobody}, false},
		{"GET", "/v1/users/a@b", answer{200, plain, nobody}, true},
		{"GET", "/v1/users/a@b", answer{200, refused, nobody}, true},
		{"GET", "/v1/users/a@b", answer{201, tagged, nobody}, true},
		{"GET", "/v1/users/a@b", answer{200, tagged, strings.Replace(nobody, "unavailable", "lunch", 1)}, true},
		{"GET", "/v1/users/a@b", answer{200, tagged, strings.Replace(nobody, `"since":null`, `"since":"today"`, 1)}, true},
		{"GET", "/v1/users/a@b", answer{200, tagged, strings.Replace(nobody, `"user"`, `"more":1,"user"`, 1)}, true},
		{"GET", "/v1/users/a@b", answer{200, tagged, strings.Replace(nobody, `"stale":false,`, ``, 1)}, true},
		{"GET", "/v1/users/a@b", answer{304, nethttp.Header{"Etag": {`"x"`}}, ""}, false},
		{"GET", "/v1/users/a@b", answer{304, nethttp.Header{"Etag": {`"x"`}}, "x"}, true},
		{"PUT", "/v1/users/a@b", answer{204, nil, ""}, true},
		{"GET", "/v1/other", answer{200, tagged, nobody}, true},
		{"GET", "/v1/other", answer{404, refused, `{"title":"Not Found","status":404,"detail":"x"}`}, false},
		{"GET", "/v1/users/a@b", answer{404, refused, `{"title":"Not Found","status":404,"detail":"x"}`}, true},
		{"GET", "/v1/users/a@b", answer{422, refused, `{"title":"x","status":422,"detail":"x","errors":[{"detail":"x"}]}`}, true},
	} {
		if err := theContract().Check(test.method, test.target, test.answer.asked()); (err != nil) != test.broken {
			t.Errorf("%s %s with %+v: %v", test.method, test.target, test.answer, err)
		}
	}
	if theContract().CheckRequest("PUT", "/v1/users/a@b/manual", `{"status":"busy","until":"2026-11-23T15:00:00Z","ttl":1}`) == nil {
		t.Error("a request that is not documented passes")
	}
}

// TestEventsAreDocumented reads streams from their beginning to their end.
func TestEventsAreDocumented(t *testing.T) {
	r := start(t)
	r.knows(t, mark, spreed, domain.Busy, "calling")
	var names []string
	for _, stream := range [][2]string{
		{"GET", "/v1/events?user=" + mark + "&user=nobody@example.test&since=1000000"}, {"POST", "/v1/events"},
	} {
		body := ""
		if stream[0] == "POST" {
			body = `{"users":["markd@zarafa.com"]}`
		}
		request, err := nethttp.NewRequest(stream[0], "http://"+r.Addr().String()+stream[1], strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+r.tokens.Issue(alice))
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != nethttp.StatusOK {
			t.Fatalf("%s: %d", stream[0], response.StatusCode)
		}
		lines := bufio.NewScanner(response.Body)
		names = append(names, readEvents(t, lines, "ready")...)
		if stream[0] == "POST" {
			if err := r.Stop(context.Background()); err != nil {
				t.Error(err)
			}
			names = append(names, readEvents(t, lines, "end")...)
		}
	}
	if want := []string{"reset", "presence", "presence", "ready", "presence", "ready", "end"}; !slices.Equal(names, want) {
		t.Errorf("the events are %v, want %v", names, want)
	}
}

// readEvents reads the events of a stream up to one with the given name, and holds them against the document.
func readEvents(t *testing.T, lines *bufio.Scanner, last string) (names []string) {
	t.Helper()
	name := ""
	for lines.Scan() {
		if value, is := strings.CutPrefix(lines.Text(), "event: "); is {
			name = value
		} else if value, is := strings.CutPrefix(lines.Text(), "data: "); is {
			names = append(names, name)
			if err := theContract().ValidJSON(value, "components", "responses", "Events", "content", "text/event-stream", "x-events", name, "schema"); err != nil {
				t.Errorf("the event %s with %s: %v", name, value, err)
			}
			if name == last {
				return names
			}
		}
	}
	t.Fatalf("the stream ends after %v: %v", names, lines.Err())
	return nil
}

// TestPagesAreServed: those that the document names, without a token.
func TestPagesAreServed(t *testing.T) {
	r := start(t)
	for _, path := range []string{"/board", "/docs", "/openapi.json", "/client.js", "/client.d.ts", "/favicon.ico", "/assets/docs.js", "/assets/docs.css"} {
		got := send(t, r.Server, "GET", path, "")
		if got.status != 200 || got.body == "" || got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Content-Security-Policy") == "" {
			t.Errorf("GET %s: %d %v", path, got.status, got.header)
		}
		for _, method := range []string{"GET", "HEAD"} {
			if again := send(t, r.Server, method, path, "", "If-None-Match: "+got.header.Get("Etag")); again.status != 304 {
				t.Errorf("%s %s again: %d", method, path, again.status)
			}
		}
		if head := send(t, r.Server, "HEAD", path, ""); head.status != 200 || head.header.Get("Content-Length") != fmt.Sprint(len(got.body)) {
			t.Errorf("HEAD %s: %d %v", path, head.status, head.header)
		}
	}
	var doc struct{ OpenAPI string }
	if err := json.Unmarshal([]byte(send(t, r.Server, "GET", "/openapi.json", "").body), &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Errorf("/openapi.json: %v, %+v", err, doc)
	}
}
