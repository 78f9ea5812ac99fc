package http_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	nethttp "net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/zarafa/presence/domain"
)

// contract is the document that describes the APIs. The tests hold every answer that they get against it.
type contract struct {
	doc      map[string]any
	compiler *jsonschema.Compiler

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema // by pointer
	seen    map[string]bool               // "METHOD template status" of the answers so far
}

const (
	contractFile = "internal/web/static/openapi.json"
	contractURL  = "https://presence.example.test/openapi.json"
)

var theContract = sync.OnceValue(func() *contract {
	text, err := os.ReadFile(contractFile)
	if err != nil {
		panic(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	components := doc.(map[string]any)["components"].(map[string]any)
	closeObjects(components["schemas"])
	c := &contract{doc: doc.(map[string]any), compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}, seen: map[string]bool{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(contractURL, doc); err != nil {
		panic(err)
	}
	return c
})

// closeObjects lets no object of a schema have members that the schema does not name. Clients are to expect some; the tests are not.
func closeObjects(schema any) {
	switch schema := schema.(type) {
	case map[string]any:
		if _, open := schema["additionalProperties"]; schema["type"] == "object" && !open {
			schema["additionalProperties"] = false
		}
		for _, inner := range schema {
			closeObjects(inner)
		}
	case []any:
		for _, inner := range schema {
			closeObjects(inner)
		}
	}
}

// at returns what a pointer leads to, and where that really is, if there are references on the way.
func (c *contract) at(path ...string) (found map[string]any, place []string, ok bool) {
	var value any = c.doc
	for _, name := range path {
		object, _ := value.(map[string]any)
		if value, ok = object[name]; !ok {
			return nil, nil, false
		}
		place = append(slices.Clone(place), name)
		if object, is := value.(map[string]any); is && object["$ref"] != nil {
			place = strings.Split(strings.TrimPrefix(object["$ref"].(string), "#/"), "/")
			if value, _, ok = c.at(place...); !ok {
				return nil, nil, false
			}
		}
	}
	found, ok = value.(map[string]any)
	return found, place, ok
}

// valid checks a value against the schema at a place.
func (c *contract) valid(value any, place ...string) error {
	var pointer strings.Builder
	for _, name := range place {
		pointer.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	schema := c.schemas[pointer.String()]
	if schema == nil {
		var err error
		if schema, err = c.compiler.Compile(contractURL + "#" + strings.NewReplacer("{", "%7B", "}", "%7D", " ", "%20").Replace(pointer.String())); err != nil {
			return err
		}
		c.schemas[pointer.String()] = schema
	}
	return schema.Validate(value)
}

func (c *contract) validJSON(text string, place ...string) error {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return c.valid(value, place...)
}

// template returns the path in the document that a request's target has.
func (c *contract) template(target string) (string, bool) {
	if _, rest, absolute := strings.Cut(target, "://"); absolute {
		_, target, _ = strings.Cut(rest, "/")
		target = "/" + target
	}
	target, _, _ = strings.Cut(target, "?")
	segments := strings.Split(target, "/")
	best := ""
	for template := range c.doc["paths"].(map[string]any) {
		if parts := strings.Split(template, "/"); len(parts) == len(segments) && fits(parts, segments) && (best == "" || !strings.Contains(template, "{")) {
			best = template
		}
	}
	return best, best != ""
}

func fits(parts, segments []string) bool {
	for i, part := range parts {
		if strings.HasPrefix(part, "{") != (part != segments[i]) || segments[i] == "" && part != "" {
			return false
		}
	}
	return true
}

// anywhere are the refusals that any request may meet before it comes to its path.
var anywhere = map[int]string{400: "BadRequest", 408: "TooSlow", 413: "TooLarge", 431: "HeaderTooLarge", 500: "Fault", 503: "Unavailable"}

// check holds an answer against the document.
func (c *contract) check(method, target string, got answer) error {
	template, known := c.template(target)
	if method == "OPTIONS" && got.header.Get("Access-Control-Allow-Methods") != "" {
		return nil // a preflight, which is between the browser and the server
	}
	path := []string{"paths", template, strings.ToLower(method), "responses", fmt.Sprint(got.status)}
	_, _, operation := c.at(path[:3]...)
	if method != strings.ToUpper(method) {
		operation = false
	}
	switch {
	case known && operation:
		c.mu.Lock()
		c.seen[fmt.Sprintf("%s %s %d", method, template, got.status)] = true
		c.mu.Unlock()
	case anywhere[got.status] != "":
		path = []string{"components", "responses", anywhere[got.status]}
	case !known && got.status == 404:
		path = []string{"components", "responses", "NotFound"}
	case known && got.status == 405:
		path = []string{"components", "responses", "MethodNotAllowed"}
	case method == "OPTIONS" && got.status == 403:
		path = []string{"components", "responses", "Forbidden"}
	default:
		return fmt.Errorf("%s %.200s is not documented, but answered with %d", method, target, got.status)
	}
	response, place, ok := c.at(path...)
	if !ok {
		return fmt.Errorf("%s %.200s is not documented to answer with %d", method, target, got.status)
	}
	if err := c.checkResponse(method, response, place, got); err != nil {
		return fmt.Errorf("%s %.200s answers with %d, and not as documented: %w", method, target, got.status, err)
	}
	return nil
}

func (c *contract) checkResponse(method string, response map[string]any, place []string, got answer) error {
	headers, _ := response["headers"].(map[string]any)
	for name := range headers {
		header, at, _ := c.at(append(slices.Clone(place), "headers", name)...)
		value := got.header.Get(name)
		if value == "" && header["required"] != true {
			continue
		}
		if err := c.valid(value, append(at, "schema")...); err != nil || value == "" {
			return fmt.Errorf("the header %s is %q: %w", name, value, err)
		}
	}
	kind, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	contents, _ := response["content"].(map[string]any)
	if len(contents) == 0 {
		if got.body != "" || kind != "" {
			return fmt.Errorf("there is a body of type %q", kind)
		}
		return nil
	}
	if contents[kind] == nil {
		return fmt.Errorf("the type is %q", kind)
	}
	if method == "HEAD" || kind == "text/event-stream" {
		return nil
	}
	schema := append(slices.Clone(place), "content", kind, "schema")
	if !strings.HasSuffix(kind, "json") {
		return c.valid(got.body, schema...)
	}
	return c.validJSON(got.body, schema...)
}

// checkRequest holds the body of a request that was carried out against the document.
func (c *contract) checkRequest(method, target, body string) error {
	template, _ := c.template(target)
	content := []string{"paths", template, strings.ToLower(method), "requestBody", "content", "application/json", "schema"}
	if _, _, ok := c.at(content...); !ok {
		return nil
	}
	if err := c.validJSON(body, content...); err != nil {
		return fmt.Errorf("%s %s is carried out, although not documented: %w", method, target, err)
	}
	return nil
}

// isDocumented checks the answer to a raw request.
func isDocumented(t tester, request string, got answer) {
	t.Helper()
	line, _, _ := strings.Cut(request, "\r\n")
	method, rest, _ := strings.Cut(line, " ")
	target, _, _ := strings.Cut(rest, " ")
	if err := theContract().check(method, target, got); err != nil {
		t.Errorf("%v\n%.1000s", err, got.body)
	}
}

// documented lets no answer pass that is not documented.
type documented struct{ *nethttp.Transport }

func (d documented) RoundTrip(request *nethttp.Request) (*nethttp.Response, error) {
	response, err := d.Transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	got := answer{status: response.StatusCode, header: response.Header}
	if response.Header.Get("Content-Type") != "text/event-stream" {
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			return nil, err
		}
		response.Body = io.NopCloser(bytes.NewReader(text))
		if got.body, err = plainText(response.Header, text); err != nil {
			return nil, err
		}
	}
	target := request.URL.EscapedPath()
	if target == "" {
		target = "/"
	}
	if err := theContract().check(request.Method, target, got); err != nil {
		return nil, fmt.Errorf("%w\n%.1000s", err, got.body)
	}
	if got.status < 300 && request.GetBody != nil {
		body, err := request.GetBody()
		if err != nil {
			return nil, err
		}
		text, _ := io.ReadAll(body)
		return response, theContract().checkRequest(request.Method, target, string(text))
	}
	return response, nil
}

func plainText(header nethttp.Header, text []byte) (string, error) {
	if header.Get("Content-Encoding") != "gzip" || len(text) == 0 {
		return string(text), nil
	}
	from, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	text, err = io.ReadAll(from)
	return string(text), err
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
	for _, missing := range theContract().unseen() {
		fmt.Println("documented, but never seen:", missing)
		code = max(code, 1)
	}
	return code
}

// unseen lists the successes that are documented and were not seen.
func (c *contract) unseen() (missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for template, operations := range c.doc["paths"].(map[string]any) {
		for method, operation := range operations.(map[string]any) {
			if method == "parameters" {
				continue
			}
			for status := range operation.(map[string]any)["responses"].(map[string]any) {
				if name := strings.ToUpper(method) + " " + template + " " + status; status < "400" && !c.seen[name] {
					missing = append(missing, name)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
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
	for template, operations := range c.doc["paths"].(map[string]any) {
		for method, operation := range operations.(map[string]any) {
			if method == "parameters" {
				continue
			}
			documented = append(documented, strings.ToUpper(method)+" "+template)
			id := operation.(map[string]any)["operationId"].(string)
			if ids[id] {
				t.Errorf("the operationId %s is there twice", id)
			}
			ids[id] = true
		}
	}
	slices.Sort(routes)
	slices.Sort(documented)
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
				if _, _, ok := c.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...); !ok {
					t.Errorf("%v: %s leads nowhere", place, ref)
				}
			}
			if examples, is := value["examples"].(map[string]any); is {
				for name, example := range examples {
					if err := c.valid(example.(map[string]any)["value"], append(slices.Clone(place), "schema")...); err != nil {
						t.Errorf("%v: the example %s: %v", place, name, err)
					}
				}
			}
			if example, is := value["example"]; is && value["schema"] != nil {
				if err := c.valid(example, append(slices.Clone(place), "schema")...); err != nil {
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
	walk(c.doc, nil)
}

// TestTheContractCanBeBroken: the checks that all tests rely on find what they are made for.
func TestTheContractCanBeBroken(t *testing.T) {
	const nobody = `{"user":"a@b","status":"unavailable","message":"","by":null,"reason":"unknown","since":null,"stale":false,"revision":0,"protocols":{}}`
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
		if err := theContract().check(test.method, test.target, test.answer); (err != nil) != test.broken {
			t.Errorf("%s %s with %+v: %v", test.method, test.target, test.answer, err)
		}
	}
	if theContract().checkRequest("PUT", "/v1/users/a@b/manual", `{"status":"busy","until":"2026-11-23T15:00:00Z","ttl":1}`) == nil {
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
			if err := theContract().validJSON(value, "components", "responses", "Events", "content", "text/event-stream", "x-events", name, "schema"); err != nil {
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
	for _, path := range []string{"/board", "/docs", "/openapi.json", "/client.js", "/client.d.ts", "/assets/docs.js", "/assets/docs.css"} {
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
