// Package apicontract checks requests and responses against the OpenAPI document of the daemon's APIs. The tests of the HTTP adapter and
// of the whole daemon call it.
package apicontract

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Contract is the OpenAPI document. It may be used concurrently.
type Contract struct {
	Doc      map[string]any
	compiler *jsonschema.Compiler

	mu   sync.Mutex      // for the compiler too, which keeps what it has compiled
	seen map[string]bool // "METHOD template status" of the responses so far
}

const contractURL = "https://presence.example.test/openapi.json"

// Load reads the document from a file.
func Load(file string) (*Contract, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	components := doc.(map[string]any)["components"].(map[string]any)
	closeObjects(components["schemas"])
	c := &Contract{Doc: doc.(map[string]any), compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(contractURL, doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// closeObjects forbids members that a schema does not name. Clients must accept unknown members, but the tests must not.
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

// At returns the object at a path of names, following references, and the place where it really stands.
func (c *Contract) At(path ...string) (found map[string]any, place []string, ok bool) {
	var value any = c.Doc
	for _, name := range path {
		object, _ := value.(map[string]any)
		if value, ok = object[name]; !ok {
			return nil, nil, false
		}
		place = append(slices.Clone(place), name)
		if object, is := value.(map[string]any); is && object["$ref"] != nil {
			place = strings.Split(strings.TrimPrefix(object["$ref"].(string), "#/"), "/")
			if value, _, ok = c.At(place...); !ok {
				return nil, nil, false
			}
		}
	}
	found, ok = value.(map[string]any)
	return found, place, ok
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

// template returns the path template of the document that matches a request's target.
func (c *Contract) template(target string) (string, bool) {
	if _, rest, absolute := strings.Cut(target, "://"); absolute {
		_, target, _ = strings.Cut(rest, "/")
		target = "/" + target
	}
	target, _, _ = strings.Cut(target, "?")
	segments := strings.Split(target, "/")
	best := ""
	for template := range c.Doc["paths"].(map[string]any) {
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

// anywhere lists the error responses that any request may get before its path is looked at.
var anywhere = map[int]string{400: "BadRequest", 408: "TooSlow", 413: "TooLarge", 431: "HeaderTooLarge", 500: "Fault", 503: "Unavailable"}

// Check validates a response against the document.
func (c *Contract) Check(method, target string, got Answer) error {
	template, known := c.template(target)
	if method == "OPTIONS" && got.Header.Get("Access-Control-Allow-Methods") != "" {
		return nil // a CORS preflight, which the document does not describe
	}
	path := []string{"paths", template, strings.ToLower(method), "responses", fmt.Sprint(got.Status)}
	_, _, operation := c.At(path[:3]...)
	if method != strings.ToUpper(method) {
		operation = false
	}
	switch {
	case known && operation:
		c.mu.Lock()
		c.seen[fmt.Sprintf("%s %s %d", method, template, got.Status)] = true
		c.mu.Unlock()
	case anywhere[got.Status] != "":
		path = []string{"components", "responses", anywhere[got.Status]}
	case !known && got.Status == 404:
		path = []string{"components", "responses", "NotFound"}
	case known && got.Status == 405:
		path = []string{"components", "responses", "MethodNotAllowed"}
	case method == "OPTIONS" && got.Status == 403:
		path = []string{"components", "responses", "Forbidden"}
	default:
		return fmt.Errorf("%s %.200s is not documented, but returns %d", method, target, got.Status)
	}
	response, place, ok := c.At(path...)
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
	if len(contents) == 0 {
		if got.Body != "" || kind != "" {
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
		return c.Valid(got.Body, schema...)
	}
	return c.ValidJSON(got.Body, schema...)
}

// CheckRequest validates the body of a successful request against the document.
func (c *Contract) CheckRequest(method, target, body string) error {
	template, _ := c.template(target)
	content := []string{"paths", template, strings.ToLower(method), "requestBody", "content", "application/json", "schema"}
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
		response.Body.Close()
		if err != nil {
			return nil, err
		}
		response.Body = io.NopCloser(bytes.NewReader(text))
		if got.Body, err = plainText(response.Header, text); err != nil {
			return nil, err
		}
	}
	target := cmp.Or(request.URL.EscapedPath(), "/")
	if err := t.Contract.Check(request.Method, target, got); err != nil {
		return nil, fmt.Errorf("%w\n%.1000s", err, got.Body)
	}
	if got.Status >= 300 || request.GetBody == nil {
		return response, nil
	}
	body, err := request.GetBody()
	if err != nil {
		return nil, err
	}
	text, _ := io.ReadAll(body)
	return response, t.Contract.CheckRequest(request.Method, target, string(text))
}

func plainText(header http.Header, text []byte) (string, error) {
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

// Unseen lists the documented successes that no response had.
func (c *Contract) Unseen() (missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for template, operations := range c.Doc["paths"].(map[string]any) {
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
