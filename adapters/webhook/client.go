package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/zarafa/presence/dial"
)

const (
	answerWithin = 20 * time.Second // for a message, the connection included
	maxAnswer    = 64 << 10         // bytes of the header of an answer, and of the body that are read
	maxPause     = 24 * time.Hour   // that a receiver can ask for
)

// client sends messages to one receiver. It may be used concurrently.
type client struct {
	url       string
	keys      [][]byte
	transport http.RoundTripper
}

// newClient makes a client whose connections end with ctx.
func (x *Exporter) newClient(ctx context.Context) *client {
	return &client{url: x.config.URL, keys: x.keys, transport: x.newTransport(ctx)}
}

// close ends the connections that are idle.
func (c *client) close() {
	if transport, is := c.transport.(*http.Transport); is {
		transport.CloseIdleConnections()
	}
}

// newTransport makes the connections of one Run, which end with ctx.
func (x *Exporter) newTransport(ctx context.Context) http.RoundTripper {
	if x.transport != nil {
		return x.transport
	}
	return &http.Transport{
		DialContext:         dial.Within(ctx, &net.Dialer{Timeout: answerWithin, Resolver: x.resolver, Control: control}),
		TLSClientConfig:     x.config.Roots.ClientTLS("", false),
		TLSHandshakeTimeout: answerWithin, MaxIdleConnsPerHost: parallel, MaxConnsPerHost: parallel, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: maxAnswer, ForceAttemptHTTP2: true, DisableCompression: true,
	}
}

// answer is what became of a message.
type answer struct {
	status int           // 0: there was no answer
	body   []byte        // the beginning of it
	pause  time.Duration // that the receiver asks for; 0: none
	err    error         // why it was not taken; nil: it was
}

// taken reports whether the receiver has the message.
func (a answer) taken() bool { return a.err == nil }

// gone reports whether the receiver wants no more messages.
func (a answer) gone() bool { return a.status == http.StatusGone }

// refused reports whether the receiver has something against this message, perhaps not against others.
func (a answer) refused() bool {
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests: // against us, or just now
		return false
	}
	return a.status >= http.StatusBadRequest && a.status < http.StatusInternalServerError
}

// send sends a message once. No error contains the address.
func (c *client) send(ctx context.Context, m message) answer {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(m.body))
	if err != nil {
		return answer{err: errors.New("the address is malformed")} // Validate has checked it
	}
	now := time.Now()
	request.Header = http.Header{
		"Content-Type":      {"application/json"},
		"User-Agent":        {"zarafa-presence"},
		"Webhook-Id":        {m.id},
		"Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)},
		"Webhook-Signature": {sign(c.keys, m.id, now, m.body)},
	}
	// Not http.Client, which would follow a redirect: a 3xx is an answer like any other.
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return answer{err: noAnswer(err)}
	}
	defer response.Body.Close() //nolint:errcheck // nothing more is read
	a := answer{status: response.StatusCode, pause: pauseOf(response, now)}
	a.body, _ = io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // the status says it all
	if a.status < http.StatusOK || a.status >= http.StatusMultipleChoices {
		a.err = fmt.Errorf("the receiver answered %d %s", a.status, http.StatusText(a.status))
	}
	return a
}

// noAnswer says why there was no answer, without the address.
func noAnswer(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the receiver has not answered within %v", answerWithin)
	}
	return fmt.Errorf("no answer: %w", err)
}

// pauseOf returns the pause that a receiver asks for: in seconds, or until a moment.
func pauseOf(response *http.Response, now time.Time) time.Duration {
	if response.StatusCode != http.StatusTooManyRequests && response.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	text := response.Header.Get("Retry-After")
	var pause time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 31); errors.Is(err, strconv.ErrRange) {
		pause = maxPause
	} else if err == nil {
		pause = time.Duration(seconds) * time.Second
	} else if until, err := http.ParseTime(text); err == nil {
		pause = until.Sub(now)
	}
	return min(max(pause, 0), maxPause)
}
