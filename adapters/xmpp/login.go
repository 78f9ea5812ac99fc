package xmpp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	xmpp "github.com/mattn/go-xmpp"

	"github.com/zarafa/presence/ports"
)

// loginWithin bounds everything from the first DNS query until the server has accepted us.
const loginWithin = 20 * time.Second

// connection is a logged-in stream. Recv is for one goroutine, Send for any.
type connection struct {
	client *xmpp.Client
	relay  *relay
	guard  *guard
	server string // the address
	own    string // the full JID the server gave us
}

// login connects to the server and logs in. Some servers offer a channel binding that they cannot do (ejabberd before 24.02 with TLS 1.3):
// then it logs in without, now and from then on.
func (s *Source) login(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.limits.login, errSlowLogin)
	defer cancel()
	c, err := s.loginOnce(ctx)
	var binding *bindingError
	if !errors.As(err, &binding) || s.mechanism != "" || binding.instead == "" {
		return c, err
	}
	s.log.Warn("the server's channel binding does not work, logging in without it", "mechanism", binding.instead, "err", err)
	s.mechanism = binding.instead
	return s.loginOnce(ctx)
}

var errSlowLogin = errors.New("the server did not let us in in time")

func (s *Source) loginOnce(ctx context.Context) (*connection, error) {
	server, err := s.dial(ctx)
	if err != nil {
		return nil, inTime(ctx, err)
	}
	address := server.RemoteAddr().String()
	relay, err := newRelay(server)
	if err != nil {
		_ = server.Close()
		return nil, err
	}
	guard := newGuard(relay, s.limits)
	stop := context.AfterFunc(ctx, func() { relay.cut(context.Cause(ctx)) })
	client, err := s.authenticate(relay, guard)
	if !stop() && err == nil { // cut at the last moment
		err = context.Cause(ctx)
	}
	if err != nil {
		relay.end()
		if cause := relay.why(); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("logging in as %s at %s: %w", s.own.bare, address, s.explain(inTime(ctx, err), guard))
	}
	guard.loginDone()
	return &connection{client: client, relay: relay, guard: guard, server: address, own: client.JID()}, nil
}

// inTime replaces an error by the reason why ctx has ended, if it has.
func inTime(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// authenticate lets the library log in through the relay. It ends when the relay is cut, if not before.
func (s *Source) authenticate(relay *relay, guard *guard) (client *xmpp.Client, err error) {
	defer contain(&err)
	bypassProxy()
	return xmpp.Options{
		Host:          relay.address(),
		User:          s.own.bare,
		Password:      s.config.Password.Reveal(),
		Resource:      escape(s.own.resource),
		DialTimeout:   acceptWithin,
		NoTLS:         s.config.TLS == StartTLS,
		StartTLS:      s.config.TLS == StartTLS,
		TLSConfig:     s.tls.Clone(),
		Mechanism:     s.mechanism,
		NoSASLUpgrade: true, // its number of hashing rounds passes the guard unseen
		Debug:         true,
		DebugWriter:   guard,
	}.NewClient()
}

// bypassProxy keeps the library from asking an HTTP proxy for the way to the relay. It obeys HTTP_PROXY for every address that
// is not in NO_PROXY. For everybody else in this process the additional entry means nothing: net/http never uses a proxy
// for 127.0.0.1.
func bypassProxy() {
	const loopback = "127.0.0.1"
	except := cmp.Or(os.Getenv("NO_PROXY"), os.Getenv("no_proxy"))
	if cmp.Or(os.Getenv("HTTP_PROXY"), os.Getenv("http_proxy")) != "" && !strings.Contains(except, loopback) {
		_ = os.Setenv("NO_PROXY", strings.TrimPrefix(except+","+loopback, ","))
	}
}

// bindingError says that the server refused its own channel binding.
type bindingError struct {
	text    string
	instead string // a way to log in without; empty if there is none
}

func (e *bindingError) Error() string { return e.text }

// explain turns an error that the library returned while it logged in into one that a person can act on.
func (s *Source) explain(err error, guard *guard) error {
	text := strings.ReplaceAll(err.Error(), s.config.Password.Reveal(), "***")
	reason, refused := strings.CutPrefix(text, "auth failure: ")
	reason = clip(reason)
	condition := guard.condition()
	switch {
	case refused && strings.Contains(strings.ToLower(reason), "channel binding"):
		return &bindingError{text: reason, instead: unbound(guard)}
	case refused && condition == "temporary-auth-failure":
		return fmt.Errorf("the server cannot check the password now: %s", reason)
	case refused:
		return fmt.Errorf("%w: wrong account or password: it said %q (%s)", ports.ErrRejected, reason, condition)
	case strings.HasPrefix(text, "no viable authentication method"):
		return fmt.Errorf("%w: it offers no way to log in with a password: %s", ports.ErrRejected, clip(text))
	case condition == "host-unknown":
		return fmt.Errorf("%w: it does not serve the domain %s: check xmpp.jid and xmpp.host", ports.ErrRejected, s.own.host)
	case condition == "policy-violation" || condition == "not-authorized":
		return fmt.Errorf("%w: %s (%s)", ports.ErrRejected, clip(text), condition)
	case strings.Contains(text, "x509: ") || isCertificateError(err):
		return fmt.Errorf("the certificate is not accepted: %s (ca_file names the authority of a private one)", clip(text))
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return fmt.Errorf("no TLS on this port: set xmpp.tls to %s, or another port: %s", StartTLS, clip(text))
	case text == "EOF" && s.config.TLS == StartTLS:
		return errors.New("the server closed the connection at once: if this is a direct TLS port, set xmpp.tls to " + DirectTLS)
	case condition != "":
		return fmt.Errorf("%s (%s)", clip(text), condition)
	case text != err.Error():
		return errors.New(text)
	}
	return err
}

func isCertificateError(err error) bool {
	var verification *tls.CertificateVerificationError
	var hostname x509.HostnameError
	return errors.As(err, &verification) || errors.As(err, &hostname)
}

// unbound returns the strongest way to log in without channel binding that the server has offered.
func unbound(guard *guard) string {
	for _, mechanism := range []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"} {
		if bytes.Contains(guard.login, []byte(">"+mechanism+"<")) {
			return mechanism
		}
	}
	return ""
}

// clip keeps what a server says short, printable and on one line.
func clip(text string) string {
	const most = 300
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
