package caldav

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/zarafa/presence/dial"
	"github.com/zarafa/presence/dns"
	"github.com/zarafa/presence/ports"
)

// What a request can fail with, besides ports.ErrRejected. Any other error is about one calendar alone.
var (
	errAway = errors.New("the server cannot be reached")
	errGone = errors.New("there is no such calendar, or it may not be read")
)

// waitError says that the server asks for a pause.
type waitError struct{ pause time.Duration }

func (e waitError) Error() string { return fmt.Sprintf("the server asks for a pause of %v", e.pause) }

// client makes the requests of one Run.
type client struct {
	source    *Source
	transport *http.Transport
	dav, ics  *http.Client
}

// maxRedirects is how often an .ics address may lead to another one.
const maxRedirects = 5

// newClient makes a client. Everything that it does ends with ctx, connections that are being made included.
func (s *Source) newClient(ctx context.Context) *client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dial.Within(ctx, &net.Dialer{Timeout: s.limits.silence, Resolver: dns.NewResolver("")}),
		TLSClientConfig:     s.config.Roots.ClientTLS("", s.config.InsecureSkipVerify),
		TLSHandshakeTimeout: s.limits.silence, MaxIdleConnsPerHost: s.limits.parallel, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
	}
	var by http.RoundTripper = transport
	if s.transport != nil {
		by = s.transport
	}
	return &client{
		source: s, transport: transport,
		dav: &http.Client{Transport: by, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		ics: &http.Client{Transport: by, CheckRedirect: func(next *http.Request, before []*http.Request) error {
			if next.URL.Scheme != "https" || len(before) > maxRedirects {
				return http.ErrUseLastResponse
			}
			next.Header.Del("Referer") // it would tell the secret address
			return nil
		}},
	}
}

// close ends all connections.
func (c *client) close() { c.transport.CloseIdleConnections() }

// answer is what a server has answered, with its whole body.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do makes a request, and classifies what goes wrong. No error contains the address: that of an .ics is a secret.
func (c *client) do(ctx context.Context, by *http.Client, request *http.Request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.source.limits.answer)
	defer cancel()
	silence := time.AfterFunc(c.source.limits.silence, cancel)
	defer silence.Stop()
	request.Header.Set("User-Agent", "zarafa-presence")
	response, err := by.Do(request.WithContext(ctx))
	if err != nil {
		return answer{}, fmt.Errorf("%w: %s", errAway, describe(err))
	}
	defer response.Body.Close() //nolint:errcheck // nothing more is read
	if err := classify(response, c.source); err != nil {
		return answer{}, err
	}
	body, err := io.ReadAll(&heardReader{io.LimitReader(response.Body, int64(c.source.limits.body)+1), silence, c.source.limits.silence})
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("%w: %s", errAway, describe(err))
	case len(body) > c.source.limits.body:
		return answer{}, fmt.Errorf("it is larger than %d MiB", c.source.limits.body>>20)
	}
	return answer{response.StatusCode, response.Header, body}, nil
}

// heardReader notes that the server says something.
type heardReader struct {
	io.Reader
	silence *time.Timer
	most    time.Duration
}

func (r *heardReader) Read(into []byte) (int, error) {
	n, err := r.Reader.Read(into)
	if n > 0 {
		r.silence.Reset(r.most)
	}
	return n, err
}

// classify makes an error of an answer that is none.
func classify(response *http.Response, s *Source) error {
	status := response.StatusCode
	retry, asked := retryAfter(response.Header.Get("Retry-After"), s)
	switch {
	case status >= 200 && status < 300, status == http.StatusNotModified:
		return nil
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && asked:
		return waitError{retry}
	case status == http.StatusUnauthorized:
		return fmt.Errorf("wrong account or password (the server answered %d): %w", status, ports.ErrRejected)
	case status == http.StatusForbidden, status == http.StatusNotFound, status == http.StatusGone:
		return fmt.Errorf("%w (the server answered %d)", errGone, status)
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return fmt.Errorf("%w: a proxy answered %d", errAway, status)
	case status >= 300 && status < 400:
		return fmt.Errorf("the server answered %d: it redirects to where the daemon does not follow", status)
	}
	return fmt.Errorf("the server answered %d", status)
}

// retryAfter reads Retry-After, seconds or a date. Without one, a server that is asked too often gets a while.
func retryAfter(text string, s *Source) (pause time.Duration, asked bool) {
	if seconds, err := strconv.Atoi(text); err == nil {
		pause, asked = time.Duration(min(max(seconds, 0), 1<<20))*time.Second, true
	} else if at, err := http.ParseTime(text); err == nil {
		pause, asked = at.Sub(s.clock.Now().Time()), true
	} else {
		pause = s.limits.lastRetry
	}
	return min(max(pause, s.limits.firstRetry), s.limits.longestWait), asked
}

// describe says what is wrong with a connection, in words that contain nothing of the address but the host.
func describe(err error) string {
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	var (
		network     *net.OpError
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		host        x509.HostnameError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "it does not answer in time"
	case errors.As(err, &name):
		return name.Error()
	case errors.As(err, &certificate), errors.As(err, &authority), errors.As(err, &host):
		return "the certificate is not accepted: " + err.Error()
	case errors.As(err, &network):
		return network.Error()
	case errors.As(err, &record):
		return "no TLS on this port"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it ended the connection"
	}
	return "what it answers is not HTTP"
}
