package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/domain"
)

const (
	// patience is how long a request to the daemon may take.
	patience = 10 * time.Second

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

// clientFlags are those that get and set share.
type clientFlags struct {
	url, token, as string
}

const clientLong = `
The daemon is expected at http.listen of the configuration, unless --url or PRESENCE_URL names another place. The token is that of
PRESENCE_TOKEN or --token; without one it is made with the configured secret%s. It accepts every flag of serve.`

func (f *clientFlags) add(command *cobra.Command, as string) {
	command.Flags().StringVar(&f.url, "url", "", "where the daemon is, e.g. http://127.0.0.1:1234/")
	command.Flags().StringVar(&f.token, "token", "", "token to show; other users of this machine can see it here, so prefer "+envToken)
	command.Flags().StringVar(&f.as, "as", "", "make the token for this `USER` instead of "+as)
}

// client finds out where the daemon is and which token to show it.
func (c *cli) client(command *cobra.Command, flags clientFlags, user domain.UserID) (*client, error) {
	if flags.as != "" {
		as, err := domain.ParseUserID(flags.as)
		if err != nil {
			return nil, usageError("--as: %w", err)
		}
		user = as
	}
	found := &client{url: first(flags.url, c.getenv(envURL)), token: first(flags.token, c.getenv(envToken))}
	if found.url != "" {
		if at, err := url.Parse(found.url); err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
			return nil, usageError("not an address of a daemon: %q; expected e.g. http://127.0.0.1:1234/", found.url)
		}
	}
	if found.url != "" && found.token != "" {
		return found, nil
	}
	settings, err := c.settings(command, c.configFile())
	if err != nil {
		return nil, err
	}
	if found.token == "" {
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

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
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

// query asks about users and returns the answer's body.
func (c *client) query(ctx context.Context, users []string) ([]byte, error) {
	at, err := url.JoinPath(c.url, "v1/users:query")
	if err != nil {
		return nil, coded(exitUsage, err)
	}
	return c.send(ctx, http.MethodPost, at, map[string]any{"users": users})
}

// change sends a request about a user's presence on a protocol.
func (c *client) change(ctx context.Context, method, user, protocol string, document any) error {
	at, err := url.JoinPath(c.url, "v1/users", url.PathEscape(user), protocol)
	if err != nil {
		return coded(exitUsage, err)
	}
	_, err = c.send(ctx, method, at, document)
	return err
}

// send sends a document, if there is one, and returns the answer's body.
func (c *client) send(ctx context.Context, method, at string, document any) ([]byte, error) {
	var body []byte
	if document != nil {
		var err error
		if body, err = json.Marshal(document); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return nil, coded(exitUsage, err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if document != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	transport := &http.Transport{DisableKeepAlives: true} // one request, and no proxy: the daemon is near
	response, err := (&http.Client{Transport: transport, CheckRedirect: noRedirect}).Do(request)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, c.unreachable(err)
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNoContent {
		return nil, c.refusal(response.StatusCode, answer)
	}
	return answer, nil
}

// noRedirect keeps the token from being sent elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c *client) unreachable(err error) error {
	reason := errors.Unwrap(err)
	var errno syscall.Errno
	var timeout net.Error
	switch {
	case errors.As(err, &errno):
		reason = errno
	case errors.As(err, &timeout) && timeout.Timeout():
		reason = fmt.Errorf("no answer within %v", patience)
	case reason == nil:
		reason = err
	}
	return coded(exitUnreachable, fmt.Errorf("cannot reach the daemon at %s: %w; is it running?", c.url, reason))
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
