// Package webhooktest has a receiver of webhooks for tests, which checks every message: the signature, by an implementation that is not ours, the form, and
// that nobody is told anything older than before.
package webhooktest

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Secret is the one that receivers know, and OldSecret another one.
const (
	Secret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	OldSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD8g0+fO8S+Kk="
)

// Message is what a receiver was sent.
type Message struct {
	ID     string
	At     time.Time
	Answer int // the status that it was answered with; 0: none
	Body   []byte

	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      Data      `json:"data"`
}

// Data is the part of a user's document that tests look at.
type Data struct {
	User     string `json:"user"`
	Status   string `json:"status"`
	Message  string `json:"message"`
	Activity string `json:"activity"`
	By       string `json:"by"`
	Revision uint64 `json:"revision"`
	Webhook  string `json:"webhook"`
}

// Answer answers a message, and returns the status: 0 if it lets the request hang until it ends.
type Answer func(w http.ResponseWriter, r *http.Request, m Message) int

// Receiver is a server that takes messages. Its methods may be used concurrently.
type Receiver struct {
	*httptest.Server

	t        testing.TB
	mu       sync.Mutex
	answer   Answer
	messages []Message
	flying   map[string]int // requests by user
	last     map[string]Data
}

// Start starts a receiver that answers 204, until the test ends.
func Start(t testing.TB) *Receiver {
	t.Helper()
	r := newReceiver(t)
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// StartTLS is Start with TLS.
func StartTLS(t testing.TB) *Receiver {
	t.Helper()
	r := newReceiver(t)
	r.Server = httptest.NewUnstartedServer(r)
	r.Config.ErrorLog = log.New(io.Discard, "", 0) // what clients think of its certificate
	r.StartTLS()
	t.Cleanup(r.Close)
	return r
}

func newReceiver(t testing.TB) *Receiver {
	return &Receiver{t: t, flying: map[string]int{}, last: map[string]Data{}}
}

// Respond has messages answered in another way from now on; nil: with 204.
func (r *Receiver) Respond(answer Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// Status answers with a status.
func Status(status int) Answer {
	return func(w http.ResponseWriter, _ *http.Request, _ Message) int {
		w.WriteHeader(status)
		return status
	}
}

// Hang never answers.
func Hang(_ http.ResponseWriter, r *http.Request, _ Message) int {
	<-r.Context().Done()
	return 0
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the sender has gone
	}
	m := r.check(request, body)
	r.mu.Lock()
	answer := r.answer
	if r.flying[m.Data.User]++; r.flying[m.Data.User] > 1 && m.Data.User != "" {
		r.t.Errorf("two messages about %s are on their way", m.Data.User)
	}
	r.mu.Unlock()
	if answer == nil {
		answer = Status(http.StatusNoContent)
	}
	m.Answer = answer(w, request, m)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flying[m.Data.User]--
	r.messages = append(r.messages, m)
	if m.Answer < 200 || m.Answer > 299 {
		return
	}
	if before := r.last[m.Data.User]; m.Data.Revision > 0 && before.Revision > m.Data.Revision { // 0: nobody is known, or shown
		r.t.Errorf("%s is told with revision %d after %d", m.Data.User, m.Data.Revision, before.Revision)
	}
	r.last[m.Data.User] = m.Data
}

// check checks a message as far as it can be checked alone.
func (r *Receiver) check(request *http.Request, body []byte) Message {
	m := Message{ID: request.Header.Get("webhook-id"), At: time.Now(), Body: body}
	hook, err := standardwebhooks.NewWebhook(Secret)
	if err == nil {
		err = hook.Verify(body, request.Header)
	}
	if err != nil {
		r.t.Errorf("a message is not signed as it should be: %v", err)
	}
	if err := json.Unmarshal(body, &m); err != nil || m.Type == "" || m.Timestamp.IsZero() || len(body) > 20_000 {
		r.t.Errorf("the body of a message has %d bytes: %.200s (%v)", len(body), body, err)
	}
	if kind := request.Header.Get("Content-Type"); request.Method != http.MethodPost || kind != "application/json" {
		r.t.Errorf("a message is a %s of %q", request.Method, kind)
	}
	return m
}

// Messages lists what was sent, whether it was taken or not.
func (r *Receiver) Messages() []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// Taken lists what was answered with 2xx.
func (r *Receiver) Taken() []Message {
	return slices.DeleteFunc(r.Messages(), func(m Message) bool { return m.Answer < 200 || m.Answer > 299 })
}

// Knows returns what the receiver knows of a user: the status, and nothing if it was not told of the user.
func (r *Receiver) Knows(user string) Data {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[user]
}

// Await waits until the receiver has been told something of a user, 30 seconds at most.
func (r *Receiver) Await(user string, holds func(Data) bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(r.Knows(user)); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("after 30 s the receiver knows %+v of %s", r.Knows(user), user)
		}
	}
}

// AwaitStatus waits until the receiver knows that a user has a status.
func (r *Receiver) AwaitStatus(user, status string) {
	r.t.Helper()
	r.Await(user, func(d Data) bool { return d.Status == status })
}

// Entry returns an entry of webhooks in YAML, in braces, that sends to the receiver; more is further keys of it, with a comma first.
func (r *Receiver) Entry(name, more string) string {
	return fmt.Sprintf("{name: %s, url: %q, secret: %s%s}", name, r.URL+"/presence", Secret, more)
}
