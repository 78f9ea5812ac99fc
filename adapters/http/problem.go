package http

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/zarafa/presence/adapters/http/internal/document"
	"github.com/zarafa/presence/adapters/http/internal/userstatus"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var (
	errBadHTTP = errors.New("not acceptable as HTTP")
	errUnread  = errors.New("the request could not be read")
	errPanic   = errors.New("a fault in the server")
	errFull    = errors.New("http.max_connections are in use")
	errNoRead  = errors.New("the answer can only be written")
)

// problem is the body of a refusal (RFC 9457). Without a type its title is that of the status.
type problem struct {
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail,omitempty"`
	Errors []problemEntry `json:"errors,omitempty"`

	allowed   string // of a 405: the methods that there are
	challenge string // of a 401 that is not the original API's
}

// problemEntry names one fault in the request's document, or in its URL.
type problemEntry struct {
	Detail    string `json:"detail"`
	Pointer   string `json:"pointer,omitempty"`
	Parameter string `json:"parameter,omitempty"` // of the query or the path
}

// Error makes a problem what a handler returns.
func (p *problem) Error() string { return p.Title + ": " + p.Detail }

func newProblem(status int, detail string, entries ...problemEntry) *problem {
	return &problem{Title: fasthttp.StatusMessage(status), Status: status, Detail: detail, Errors: entries}
}

// problemOf decides what a client is told about an error: which status it is, and why. It is the only place that does. The
// request may be nil if none was read.
func problemOf(err error, request *userstatus.Request) *problem {
	var known *problem
	var fault *userstatus.Fault
	var problems domain.Problems
	var routing *fiber.Error
	var method *methodFault
	var arg *document.ArgFault
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &fault):
		return problemOfForm(fault)
	case errors.As(err, &arg):
		return problemOfArg(arg)
	case errors.Is(err, domain.ErrUnauthenticated):
		if request != nil && request.Token == "" {
			return newProblem(fasthttp.StatusUnauthorized, "the AuthenticationToken is missing")
		}
		return newProblem(fasthttp.StatusUnauthorized, err.Error())
	case errors.As(err, &problems):
		return problemOfEntries(problems, request)
	case errors.Is(err, ports.ErrLoading):
		return newProblem(fasthttp.StatusServiceUnavailable, ports.ErrLoading.Error()+"; try again")
	case errors.Is(err, ports.ErrUnavailable):
		return newProblem(fasthttp.StatusServiceUnavailable, "updates cannot be taken now; try again")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return newProblem(fasthttp.StatusServiceUnavailable, "the server is stopping, or was too slow; try again")
	case errors.Is(err, errFull):
		return newProblem(fasthttp.StatusServiceUnavailable, "too many connections; try again")
	case errors.Is(err, errUnread):
		return problemOfReading(err)
	case errors.Is(err, errBadHTTP):
		return newProblem(fasthttp.StatusBadRequest, err.Error())
	case errors.As(err, &routing) && routing.Code == fasthttp.StatusNotFound:
		return newProblem(fasthttp.StatusNotFound, "there is nothing here; /openapi.json tells what there is")
	case errors.As(err, &method):
		p := newProblem(fasthttp.StatusMethodNotAllowed, method.Error())
		p.allowed = method.allowed
		return p
	}
	return newProblem(fasthttp.StatusInternalServerError, "a fault in the server; its log says more")
}

// problemOfForm is about a document that is not what it should be.
func problemOfForm(fault *userstatus.Fault) *problem {
	status := fasthttp.StatusBadRequest
	if fault.TooMany {
		status = fasthttp.StatusRequestEntityTooLarge
	}
	if fault.Pointer == "" {
		return newProblem(status, fault.Detail)
	}
	return newProblem(status, fault.Error(), problemEntry{Pointer: fault.Pointer, Detail: fault.Detail})
}

// problemOfArg is about a parameter of the URL that is not what it should be.
func problemOfArg(fault *document.ArgFault) *problem {
	status := fasthttp.StatusBadRequest
	if fault.TooMany {
		status = fasthttp.StatusRequestEntityTooLarge
	}
	return newProblem(status, fault.Error(), problemEntry{Parameter: fault.Name, Detail: fault.Detail})
}

// problemOfEntries names every entry that the use case refused.
func problemOfEntries(problems domain.Problems, request *userstatus.Request) *problem {
	entries := make([]problemEntry, 0, len(problems))
	for _, p := range problems {
		entry, protocol := p.Index, ""
		if len(request.Updates) > 0 {
			entry, protocol = request.Entry(p.Index), request.Updates[p.Index].Protocol
			if request.Updates[p.Index] == (domain.Update{User: request.Users[entry]}) && p.Field != domain.FieldUser {
				continue // see addBadBareUsers
			}
		}
		e := problemEntry{Pointer: userstatus.PointerTo(entry, p.Field, protocol), Detail: p.Err.Error()}
		if n := len(entries); n == 0 || entries[n-1] != e { // a user's fault comes with each of its protocols
			entries = append(entries, e)
		}
	}
	return refusalOf(problems, entries)
}

// refusalOf is about what the use case refused.
func refusalOf(problems domain.Problems, entries []problemEntry) *problem {
	if errors.Is(problems, domain.ErrForbidden) {
		return newProblem(fasthttp.StatusForbidden, "nothing was done, because not all of it is allowed", entries...)
	}
	return newProblem(fasthttp.StatusUnprocessableEntity, "nothing was done, because of what is wrong with these entries", entries...)
}

// problemOfReading is about a request that broke off, or that fasthttp did not want to read.
func problemOfReading(err error) *problem {
	var large *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.As(err, &large):
		return newProblem(fasthttp.StatusRequestHeaderFieldsTooLarge, "the header is too large")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return newProblem(fasthttp.StatusRequestEntityTooLarge, "the body is too large; at most 1 MiB is accepted")
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, fasthttp.ErrTimeout), errors.As(err, &network) && network.Timeout():
		return newProblem(fasthttp.StatusRequestTimeout, "the request did not arrive in time")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return newProblem(fasthttp.StatusBadRequest, "the request broke off")
	}
	return newProblem(fasthttp.StatusBadRequest, "this is not HTTP/1.1")
}

// problemOfRoute is what Fiber calls with the error of a handler, or its own.
func problemOfRoute(c *fiber.Ctx, err error) error {
	var routing *fiber.Error
	if errors.As(err, &routing) && routing.Code == fasthttp.StatusMethodNotAllowed {
		err = &methodFault{allowed: c.GetRespHeader(fiber.HeaderAllow)} // Fiber has looked which routes there are
		if c.Path() == "/" {
			err = errMethod
		}
	}
	respond(c.Context(), err)
	return nil
}

// methodFault says that a path has other methods.
type methodFault struct{ allowed string }

func (f *methodFault) Error() string { return "the methods are " + f.allowed }

// errMethod is about the original API's path.
var errMethod = &methodFault{allowed: strings.Join(methods, ", ")}

var (
	typeJSON    = []byte("application/json")
	typeProblem = []byte("application/problem+json")

	nameCache, noStore = []byte("Cache-Control"), []byte("no-store")
	nameSniff, noSniff = []byte("X-Content-Type-Options"), []byte("nosniff")

	// An answer is data. A browser that is made to show it as a page, or inside one, is not to run or fetch anything because of it.
	namePolicy, apiPolicy    = []byte("Content-Security-Policy"), []byte("default-src 'none'; frame-ancestors 'none'")
	nameReferrer, noReferrer = []byte("Referrer-Policy"), []byte("no-referrer")

	challenge  = `AuthenticationToken realm="presence"`
	retryAfter = "1" // second
)

// setHeader sets what every response has.
func setHeader(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetCanonical(nameCache, noStore)
	ctx.Response.Header.SetCanonical(nameSniff, noSniff)
	ctx.Response.Header.SetCanonical(namePolicy, apiPolicy)
	ctx.Response.Header.SetCanonical(nameReferrer, noReferrer)
}

// respond answers with the problem that an error is.
func respond(ctx *fasthttp.RequestCtx, err error) {
	p := problemOf(err, nil)
	setHeader(ctx)
	switch p.Status {
	case fasthttp.StatusUnauthorized:
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, cmp.Or(p.challenge, challenge))
	case fasthttp.StatusMethodNotAllowed:
		ctx.Response.Header.Set(fasthttp.HeaderAllow, p.allowed)
	case fasthttp.StatusServiceUnavailable:
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, retryAfter)
	}
	ctx.SetStatusCode(p.Status)
	ctx.Response.Header.SetContentTypeBytes(typeProblem)
	ctx.SetBody(p.body())
}

// turnAway answers a connection that there is no room for, without reading anything from it.
func turnAway(c net.Conn) {
	p := problemOf(errFull, nil)
	body := p.body()
	_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // never needed: a new connection has room for this
	_, _ = fmt.Fprintf(c, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nRetry-After: %s\r\nConnection: close\r\n\r\n%s",
		p.Status, p.Title, typeProblem, len(body), retryAfter, body)
	_ = c.Close()
}

func (p *problem) body() []byte {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers can always be marshalled
	}
	return body
}
