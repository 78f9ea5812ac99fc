// Package apicontract checks requests and responses against the OpenAPI document of the daemon's APIs. The tests of the HTTP adapter and
// of the whole daemon call it.
package apicontract

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Contract is the OpenAPI document. It may be used concurrently.
type Contract struct {
	Doc      map[string]any
	compiler *jsonschema.Compiler

	mu     sync.Mutex      // for the compiler too, which keeps what it has compiled
	unseen map[string]bool // "METHOD template status" of the documented successes that no response had
}

const contractURL = "https://presence.example.test/openapi.json"

// Load reads the document from a file.
func Load(file string) (*Contract, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	read, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	c := &Contract{Doc: read.(map[string]any), compiler: jsonschema.NewCompiler(), unseen: map[string]bool{}}
	closeObjects(c.Doc["components"].(map[string]any)["schemas"])
	for template, operations := range c.Doc["paths"].(map[string]any) {
		for method := range operations.(map[string]any) {
			responses, _, _ := c.At("paths", template, method, "responses") // none of "parameters"
			for status := range responses {
				if status < "400" {
					c.unseen[strings.ToUpper(method)+" "+template+" "+status] = true
				}
			}
		}
	}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	return c, c.compiler.AddResource(contractURL, read)
}

// closeObjects forbids members that a schema does not name. Clients must accept unknown members, but the tests must not.
func closeObjects(schema any) {
	inner, _ := schema.([]any)
	if object, is := schema.(map[string]any); is {
		if _, open := object["additionalProperties"]; object["type"] == "object" && !open {
			object["additionalProperties"] = false
		}
		inner = slices.Collect(maps.Values(object))
	}
	for _, schema := range inner {
		closeObjects(schema)
	}
}

// At returns the object at a path of names, following references, and the place where it really stands.
func (c *Contract) At(path ...string) (found map[string]any, place []string, ok bool) {
	found = c.Doc
	for _, name := range path {
		if found, ok = found[name].(map[string]any); !ok {
			return nil, nil, false
		}
		place = append(slices.Clone(place), name)
		if ref, is := found["$ref"].(string); is {
			if found, place, ok = c.At(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...); !ok {
				return nil, nil, false
			}
		}
	}
	return found, place, true
}

// Valid validates a value against the schema at a place.
func (c *Contract) Valid(value any, place ...string) error {
	pointer := "#"
	for _, name := range place {
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D", " ", "%20").Replace(name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	schema, err := c.compiler.Compile(contractURL + pointer)
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// ValidJSON validates JSON text against the schema at a place.
func (c *Contract) ValidJSON(text string, place ...string) error {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return c.Valid(value, place...)
}

var parameter = regexp.MustCompile(`{\w+}`)

// template returns the path template of the document that matches a request's target, or "".
func (c *Contract) template(target string) (best string) {
	at, err := url.ParseRequestURI(target)
	if err != nil {
		return ""
	}
	for template := range c.Doc["paths"].(map[string]any) {
		fits, _ := path.Match(parameter.ReplaceAllString(template, "?*"), at.EscapedPath())
		if fits && (best == "" || !strings.Contains(template, "{")) {
			best = template
		}
	}
	return best
}

// anywhere lists the error responses that any request may get before its path is looked at.
var anywhere = map[int]string{400: "BadRequest", 408: "TooSlow", 413: "TooLarge", 429: "TooMany", 431: "HeaderTooLarge", 500: "Fault", 503: "Unavailable"}

// Check validates a response against the document.
func (c *Contract) Check(method, target string, got Answer) error {
	if method == "OPTIONS" && got.Header.Get("Access-Control-Allow-Methods") != "" {
		return nil // a CORS preflight, which the document does not describe
	}
	template := c.template(target)
	place := []string{"components", "responses", anywhere[got.Status]}
	described := strings.ToLower(method)
	if _, _, operation := c.At("paths", template, described); !operation && method == "HEAD" {
		described = "get" // HEAD is answered as GET
	}
	switch _, _, operation := c.At("paths", template, described); {
	case operation && method == strings.ToUpper(method):
		place = []string{"paths", template, described, "responses", fmt.Sprint(got.Status)}
		c.mu.Lock()
		delete(c.unseen, fmt.Sprintf("%s %s %d", method, template, got.Status))
		c.mu.Unlock()
	case template == "" && got.Status == 404:
		place[2] = "NotFound"
	case template != "" && got.Status == 405:
		place[2] = "MethodNotAllowed"
	case method == "OPTIONS" && got.Status == 403:
		place[2] = "Forbidden"
	}
	response, place, ok := c.At(place...)
	if !ok {
		return fmt.Errorf("%s %.200s returns %d, which is not documented", method, target, got.Status)
	}
	if err := c.checkResponse(method, response, place, got); err != nil {
		return fmt.Errorf("%s %.200s returns %d, but not as documented: %w", method, target, got.Status, err)
	}
	return nil
}

func (c *Contract) checkResponse(method string, response map[string]any, place []string, got Answer) error {
	headers, _ := response["headers"].(map[string]any)
	for name := range headers {
		header, at, _ := c.At(append(slices.Clone(place), "headers", name)...)
		value := got.Header.Get(name)
		if value == "" && header["required"] != true {
			continue
		}
		if err := c.Valid(value, append(at, "schema")...); err != nil || value == "" {
			return fmt.Errorf("the header %s is %q: %w", name, value, err)
		}
	}
	kind, _, _ := strings.Cut(got.Header.Get("Content-Type"), ";")
	contents, _ := response["content"].(map[string]any)
	schema := append(slices.Clone(place), "content", kind, "schema")
	switch {
	case len(contents) == 0 && (got.Body != "" || kind != ""):
		return fmt.Errorf("there is a body of type %q", kind)
	case len(contents) > 0 && contents[kind] == nil:
		return fmt.Errorf("the type is %q", kind)
	case len(contents) == 0 || method == "HEAD" || kind == "text/event-stream" || got.Header.Get("Content-Encoding") != "":
		return nil // what is compressed is checked when it is asked for as it is
	case strings.HasSuffix(kind, "json"):
		return c.ValidJSON(got.Body, schema...)
	}
	return c.Valid(got.Body, schema...)
}

// CheckRequest validates the body of a successful request against the document.
func (c *Contract) CheckRequest(method, target, body string) error {
	content := []string{"paths", c.template(target), strings.ToLower(method), "requestBody", "content", "application/json", "schema"}
	if _, _, ok := c.At(content...); !ok {
		return nil
	}
	if err := c.ValidJSON(body, content...); err != nil {
		return fmt.Errorf("%s %s succeeds with a body that is not documented: %w", method, target, err)
	}
	return nil
}

// Answer is a response.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Transport fails every request whose response is not documented.
type Transport struct {
	Contract *Contract
	*http.Transport
}

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.Transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	got := Answer{Status: response.StatusCode, Header: response.Header}
	if response.Header.Get("Content-Type") != "text/event-stream" {
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return nil, err
		}
		got.Body, response.Body = string(text), io.NopCloser(bytes.NewReader(text))
	}
	target := cmp.Or(request.URL.EscapedPath(), "/")
	if err := t.Contract.Check(request.Method, target, got); err != nil {
		return nil, fmt.Errorf("%w\n%.1000s", err, got.Body)
	}
	if got.Status >= 300 || request.GetBody == nil {
		return response, nil
	}
	body, _ := request.GetBody() // neither can fail: http.NewRequest has made it of a text
	text, _ := io.ReadAll(body)
	return response, t.Contract.CheckRequest(request.Method, target, string(text))
}

// Unseen lists the documented successes that no response had.
func (c *Contract) Unseen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.unseen))
}
