package command

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/setting"
)

const (
	exampleURLs = "http://127.0.0.1:1234/ or unix:/run/zarafa-presence/http.sock"
	unixPrefix  = "unix:" // before the path of a Unix socket
	unixBase    = "http://localhost/"
)

func isAddress(text string) bool {
	if path, ok := strings.CutPrefix(text, unixPrefix); ok {
		return strings.HasPrefix(path, "/")
	}
	at, err := url.Parse(text)
	if err != nil || at.Hostname() == "" || at.Scheme != "http" && at.Scheme != "https" {
		return false
	}
	_, err = strconv.ParseUint(cmp.Or(at.Port(), "0"), 10, 16)
	return err == nil
}

// whereIs returns where the configured daemon is to be found, and with which TLS, if any.
func whereIs(settings *wiring.Settings) (at string, secure *tls.Config, err error) {
	if at, err = settings.HTTP.URL(); err != nil {
		return "", nil, coded(exitUsage, cmp.Or(settings.Validate("http"), err)) // which says where the fault is
	}
	if secure, err = settings.HTTP.ClientTLS(); err != nil {
		return "", nil, usageError("%w; with --url and --cacert it is not needed", err)
	}
	return at, secure, nil
}

// secured are the files of the flags that are about TLS.
type secured struct{ roots, certificate, key string }

// change makes of a configuration what the flags want.
func (s secured) change(config *tls.Config) error {
	roots, err := setting.ReadRoots(s.roots)
	if err != nil {
		return usageError("--cacert: %w", err)
	}
	if s.roots != "" {
		config.RootCAs = roots.Pool
	}
	if (s.certificate == "") != (s.key == "") {
		return usageError("--cert and --key need each other")
	}
	if s.certificate != "" {
		pair, err := tls.LoadX509KeyPair(s.certificate, s.key)
		if err != nil {
			return usageError("--cert, --key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// connect gives a client its transport, which reaches a daemon that is near, without a proxy, once.
func (c *cli) connect(to *client, secure *tls.Config) error {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if secure != nil {
		config = secure.Clone()
	}
	if err := c.secure.change(config); err != nil {
		return err
	}
	to.transport = &http.Transport{
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: patience,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   patience,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if path, ok := strings.CutPrefix(to.url, unixPrefix); ok {
				network, address = "unix", path
			}
			conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, network, address)
			return impatient{conn}, err
		},
	}
	return nil
}

// base is what the URLs of requests begin with.
func (c *client) base() string {
	if strings.HasPrefix(c.url, unixPrefix) {
		return unixBase
	}
	return c.url
}

// impatient is a connection that ends when nothing comes for a while.
type impatient struct{ net.Conn }

// Read implements net.Conn.
func (c impatient) Read(p []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(silence)) // if it is closed already the read fails
	return c.Conn.Read(p)
}

// otherScheme is the error for TLS where there is none, and the reverse, or nil if err means neither.
func (c *client) otherScheme(err error) error {
	var noTLS tls.RecordHeaderError
	switch at, encrypted := strings.CutPrefix(c.url, "https://"); {
	case encrypted && (errors.As(err, &noTLS) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")):
		return usageError("%s speaks no TLS: write http://%s", c.url, at)
	case !encrypted && strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`): // an alert of TLS
		return usageError("%s speaks TLS: write https://%s", c.url, strings.TrimPrefix(at, "http://"))
	}
	return nil
}

// wantsTLS recognises what servers answer to a request without TLS on a port for TLS.
func wantsTLS(status int, answer []byte) bool {
	return status == http.StatusBadRequest && (bytes.Contains(answer, []byte("HTTP request to an HTTPS server")) ||
		bytes.Contains(answer, []byte("HTTP request was sent to HTTPS port")))
}

// untrusted is the error for a certificate that one of the sides does not accept, or nil if err means none.
func (c *client) untrusted(err error) error {
	var theirs *tls.CertificateVerificationError
	switch {
	case errors.As(err, &theirs):
		return coded(exitUnreachable, fmt.Errorf("the certificate of %s is not accepted: %w; --cacert names those to trust", c.url, theirs.Err))
	case strings.Contains(err.Error(), "tls: certificate required"):
		return usageError("%s demands a certificate: use --cert and --key", c.url)
	case strings.Contains(err.Error(), "remote error: tls: "):
		return coded(exitUnreachable, fmt.Errorf("%s does not accept the certificate of --cert, or this TLS: %w", c.url, err))
	}
	return nil
}
