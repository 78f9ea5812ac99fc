package command

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/domain"
)

const (
	// patience is how long the daemon may take to begin an answer, and to give the whole of a short one.
	patience = 10 * time.Second

	// silence is after how long without a byte a long answer is given up. Events have a sign of life every 15 seconds.
	silence = 45 * time.Second

	// maxAnswer is the largest answer that is read, in bytes.
	maxAnswer = 64 << 20

	// maxExcerpt is how much is shown of a text in a refusal, in characters, and maxRefusals of how many entries.
	maxExcerpt  = 500
	maxRefusals = 50
)

// client asks a running daemon.
type client struct {
	url, token string
}

const clientLong = `
The daemon is expected at http.listen of the configuration, unless --url or PRESENCE_URL names another place. The token is that of
PRESENCE_TOKEN or --token; without one it is made with the configured secret, for %s. It accepts every flag of serve.`

// asking completes a command that asks a daemon. Its help says on whose behalf it asks, unless --as or a token says otherwise.
func (c *cli) asking(command *cobra.Command, onBehalfOf string) *cobra.Command {
	command.Long += fmt.Sprintf(clientLong, onBehalfOf)
	command.Flags().StringVar(&c.url, "url", "", "where the daemon is, e.g. http://127.0.0.1:1234/")
	command.Flags().StringVar(&c.shown, "token", "", "token to show; other users of this machine can see it here, so prefer "+envToken)
	command.Flags().StringVar(&c.as, "as", "", "make the token for this `USER` instead of "+onBehalfOf)
	return c.addKeys(command, false)
}

// address is where the daemon is, if --url or the environment says so.
func (c *cli) address() string { return cmp.Or(c.url, c.getenv(envURL)) }

// ownToken is the token that --token or the environment has, if any.
func (c *cli) ownToken() string { return cmp.Or(c.shown, c.getenv(envToken)) }

// client finds out where the daemon is and which token to show it. Without a token it makes one: for --as, else for the first of the users that
// the command is about, else for the first service.
func (c *cli) client(command *cobra.Command, users ...string) (*client, error) {
	for _, user := range users {
		if _, err := domain.ParseUserID(user); err != nil {
			return nil, coded(exitUsage, err)
		}
	}
	found := &client{url: c.address(), token: c.ownToken()}
	if _, err := domain.ParseUserID(c.as); err != nil && c.as != "" {
		return nil, usageError("--as: %w", err)
	}
	if at, err := url.Parse(found.url); found.url != "" && (err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https") {
		return nil, usageError("not an address of a daemon: %q; expected e.g. http://127.0.0.1:1234/", found.url)
	}
	if found.url != "" && found.token != "" {
		return found, nil
	}
	settings, err := c.settings(command)
	if err != nil {
		return nil, err
	}
	if found.token == "" {
		user := cmp.Or(slices.Concat([]string{c.as}, users, settings.Auth.Services)...)
		if user == "" {
			return nil, usageError("auth.services lists no service, and %s is for services only: name one there, or use --as or a service's token",
				command.Name())
		}
		if found.token, err = issue(settings, user); err != nil {
			return nil, err
		}
	}
	if found.url == "" {
		if err := settings.ValidateOnly("http"); err != nil {
			return nil, coded(exitUsage, err)
		}
		found.url = urlOf(settings.HTTP.Listen)
	}
	return found, nil
}

// urlOf is where a daemon that listens on an address is to be found from this machine.
func urlOf(listen string) string {
	host, port, _ := net.SplitHostPort(listen)
	switch ip := net.ParseIP(host); {
	case host == "", ip.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case ip.Equal(net.IPv6unspecified):
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

var (
	errNoAnswer = fmt.Errorf("no answer within %v", patience)
	errSilent   = fmt.Errorf("nothing came for %v", silence)
)

// ask sends a document, if there is one, and returns the answer's body.
func (c *client) ask(ctx context.Context, method, path string, document any) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errNoAnswer)
	defer cancel()
	var body []byte
	header := http.Header{}
	if document != nil {
		var err error
		if body, err = json.Marshal(document); err != nil {
			return nil, err
		}
		header.Set("Content-Type", "application/json")
	}
	response, err := c.do(ctx, method, path, body, header)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(response.Body, maxAnswer))
}

// do sends a request, and returns the answer unless it is a refusal. Its body has to be closed. A read of it fails if nothing comes for a while.
func (c *client) do(ctx context.Context, method, path string, body []byte, header http.Header) (*http.Response, error) {
	at, err := url.JoinPath(c.url, path)
	if err != nil {
		return nil, coded(exitUsage, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	request, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		cancel(nil)
		return nil, coded(exitUsage, err)
	}
	request.Header = header
	request.Header.Set("Authorization", "Bearer "+c.token)
	late := time.AfterFunc(patience, func() { cancel(errNoAnswer) })
	defer late.Stop()
	response, err := (&http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},                                      // one request, and no proxy: the daemon is near
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is not sent elsewhere
	}).Do(request)
	if err != nil {
		cancel(nil)
		return nil, c.unreachable(err)
	}
	response.Body = &answerBody{ReadCloser: response.Body, client: c, cancel: cancel}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNoContent {
		defer func() { _ = response.Body.Close() }()                    // it was only read
		text, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // what has come of it may say why
		return nil, c.refusal(response.StatusCode, text)
	}
	return response, nil
}

// answerBody is the body of an answer.
type answerBody struct {
	io.ReadCloser
	client *client
	cancel context.CancelCauseFunc // of the request
}

// Read fails if nothing comes for a while.
func (b *answerBody) Read(p []byte) (int, error) {
	watchdog := time.AfterFunc(silence, func() { b.cancel(errSilent) })
	defer watchdog.Stop()
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.client.unreachable(err)
	}
	return n, err
}

// Close ends the request.
func (b *answerBody) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}

func (c *client) unreachable(err error) error {
	var errno syscall.Errno
	var failed *url.Error
	switch {
	case errors.As(err, &errno):
		err = errno
	case errors.As(err, &failed):
		err = failed.Err
	}
	return coded(exitUnreachable, fmt.Errorf("cannot reach the daemon at %s: %w; is it running?", c.url, err))
}

// refusal is the error for an answer that is a refusal, as its problem document tells it.
func (c *client) refusal(status int, answer []byte) error {
	var problem struct {
		Title, Detail string
		Errors        []struct{ Detail string }
	}
	reason := http.StatusText(status)
	if json.Unmarshal(answer, &problem) == nil && problem.Title != "" {
		reason = excerpt(problem.Title)
		if problem.Detail != "" {
			reason += ": " + excerpt(problem.Detail)
		}
		for i, entry := range problem.Errors {
			if i == maxRefusals {
				reason += fmt.Sprintf("\n  and %d more", len(problem.Errors)-i)
				break
			}
			reason += "\n  " + excerpt(entry.Detail)
		}
	}
	err := fmt.Errorf("the daemon at %s refused (%d): %s", c.url, status, reason)
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return coded(exitRefused, err)
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return coded(exitUsage, err)
	}
	return coded(exitFailed, err)
}

// strange is the error for an answer that is no refusal, and not what the daemon answers.
func (c *client) strange(err error) error {
	return coded(exitFailed, fmt.Errorf("%s does not answer like this daemon: %s", c.url, excerpt(err.Error())))
}

// excerpt is what is shown of a text that whoever answered has written: printable, and not too much of it.
func excerpt(text string) string {
	text = printable(text)
	if runes := []rune(text); len(runes) > maxExcerpt {
		return string(runes[:maxExcerpt]) + "..."
	}
	return text
}

// printable takes out what would do something to a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return ' '
		}
		return r
	}, text)
}

// unprintable reports whether a character does something to a terminal: control characters begin its commands, and there are marks that
// exchange left and right.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}
