package command

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/zarafa/presence/adapters/http/backup"
	"github.com/zarafa/presence/domain"
)

const (
	patience    = 10 * time.Second // how long the daemon may take to begin an answer
	silence     = 45 * time.Second // without a byte: then an answer is given up. Events have a sign of life every 15 seconds
	maxAnswer   = 64 << 20         // bytes that are read of an answer that is no stream
	maxExcerpt  = 500              // characters that are shown of a text in a refusal
	maxRefusals = 50               // entries of a refusal that are shown
)

// client asks a running daemon. It implements ports.Backup.
type client struct {
	url, token string
	transport  *http.Transport
}

const clientLong = `
The daemon is expected at http.listen of the configuration, unless --url or PRESENCE_URL names another place. The token is that of
PRESENCE_TOKEN or --token; without one it is made with the configured secret, for %s. It accepts every flag of serve.`

// asking completes a command that asks a daemon. Its help says on whose behalf it asks, unless --as or a token says otherwise.
func (c *cli) asking(command *cobra.Command, onBehalfOf string) *cobra.Command {
	command.Long += fmt.Sprintf(clientLong, onBehalfOf)
	command.Flags().StringVar(&c.url, "url", "", "where the daemon is, e.g. "+exampleURLs)
	command.Flags().StringVar(&c.shown, "token", "", "token to show; other users of this machine can see it here, so prefer "+envToken)
	command.Flags().StringVar(&c.secure.roots, "cacert", "", "PEM `FILE` with the certificates to trust instead of the system's")
	command.Flags().StringVar(&c.secure.certificate, "cert", "", "PEM `FILE` with the certificate to show to a daemon that demands one")
	command.Flags().StringVar(&c.secure.key, "key", "", "PEM `FILE` with the key of --cert")
	command.Flags().StringVar(&c.as, "as", "", "make the token for this `USER` instead of "+onBehalfOf)
	return command
}

// client finds out where the daemon is and which token to show it. Without a token it makes one: for --as, else for the first of the users that
// the command is about, else for the first service.
func (c *cli) client(command *cobra.Command, users ...string) (*client, error) {
	for _, user := range users {
		if _, err := domain.ParseUserID(user); err != nil {
			return nil, coded(exitUsage, err)
		}
	}
	if _, err := domain.ParseUserID(c.as); err != nil && c.as != "" {
		return nil, usageError("--as: %w", err)
	}
	if c.url != "" && !isAddress(c.url) {
		return nil, usageError("not an address of a daemon: %q; expected e.g. %s", c.url, exampleURLs)
	}
	found := &client{url: c.url, token: c.shown}
	if found.url != "" && found.token != "" {
		return found, c.connect(found, nil)
	}
	settings, err := c.settings(command)
	if err != nil {
		return nil, err
	}
	near := new(tls.Config)
	if found.url == "" {
		if found.url, near, err = whereIs(settings); err != nil {
			return nil, err
		}
	}
	if found.token == "" {
		user := cmp.Or(slices.Concat([]string{c.as}, users, settings.Auth.Services)...)
		if user == "" {
			return nil, usageError("auth.services lists no service that %s could ask as: name one there, or use --as or a token", command.Name())
		}
		if found.token, err = issue(settings, user); err != nil {
			return nil, err
		}
	}
	return found, c.connect(found, near)
}

// ask sends a request and returns the whole answer.
func (c *client) ask(ctx context.Context, method, path string, document any) ([]byte, error) {
	body, err := c.do(ctx, method, path, document)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(body, maxAnswer))
}

// do sends a request with a document, or with lines, which are bytes. It returns the body of the answer, which has to be closed, unless that is a
// refusal.
func (c *client) do(ctx context.Context, method, path string, document any) (io.ReadCloser, error) {
	content, contentType := []byte(nil), "application/json"
	if lines, ok := document.([]byte); ok {
		content, contentType = lines, backup.ContentType
	} else if document != nil {
		content, _ = json.Marshal(document) // of texts and numbers
	}
	path, query, _ := strings.Cut(path, "?")
	at, err := url.JoinPath(c.base(), path)
	if query != "" {
		at += "?" + query
	}
	request, fault := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(content))
	if err := errors.Join(err, fault); err != nil {
		return nil, coded(exitUsage, err)
	}
	request.Header = http.Header{"Authorization": {"Bearer " + c.token}, "Content-Type": {contentType}}
	response, err := c.transport.RoundTrip(request) // follows no redirection: the token is not sent elsewhere
	if err != nil {
		return nil, c.unreachable(err)
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNoContent {
		defer func() { _ = response.Body.Close() }()                    // it was only read
		text, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // what has come of it may say why
		return nil, c.refusal(response.StatusCode, text)
	}
	return answer{response.Body, c}, nil
}

// answer is the body of one. Its errors say that the daemon cannot be reached.
type answer struct {
	io.ReadCloser
	client *client
}

// Read implements io.Reader.
func (a answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = a.client.unreachable(err)
	}
	return n, err
}

func (c *client) unreachable(err error) error {
	if wrong := c.otherScheme(err); wrong != nil {
		return wrong
	}
	if wrong := c.untrusted(err); wrong != nil {
		return wrong
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		err = errno
	}
	hint := "is it running?"
	if strings.HasPrefix(c.url, "unix:") && errors.Is(err, syscall.EACCES) {
		hint = "the owner and the mode of the socket say who may connect"
	}
	return coded(exitUnreachable, fmt.Errorf("cannot reach the daemon at %s: %w; %s", c.url, err, hint))
}

// refusal is the error for an answer that is a refusal, as its problem document tells it.
func (c *client) refusal(status int, answer []byte) error {
	var problem struct {
		Title, Detail string
		Errors        []struct{ Detail string }
	}
	if at, plain := strings.CutPrefix(c.url, "http://"); plain && wantsTLS(status, answer) {
		return usageError("%s speaks TLS: write https://%s", c.url, at)
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
	return coded(cmp.Or(refusals[status], exitFailed), fmt.Errorf("the daemon at %s refused (%d): %s", c.url, status, reason))
}

// refusals are the exit codes for those refusals that have one of their own.
var refusals = map[int]int{
	http.StatusUnauthorized: exitRefused, http.StatusForbidden: exitRefused,
	http.StatusBadRequest: exitUsage, http.StatusUnprocessableEntity: exitUsage, http.StatusRequestEntityTooLarge: exitUsage,
}

// strange is the error for an answer that is no refusal, and not what the daemon answers.
func (c *client) strange(err error) error {
	return fmt.Errorf("%s does not answer like this daemon: %s", c.url, excerpt(err.Error()))
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

// unprintable reports whether a character does something to a terminal, or is there without being seen: control characters begin its commands,
// marks exchange left and right, and others hide a text in a text (U+FEFF, the tags). Joiners do not count: scripts and emoji need them.
func unprintable(r rune) bool {
	const zeroWidthNonJoiner, zeroWidthJoiner = '\u200c', '\u200d'
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != zeroWidthNonJoiner && r != zeroWidthJoiner ||
		r == '\u2028' || r == '\u2029' || r >= 0xe0000 && r <= 0xe00ff
}
