package xmpp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"unicode"

	xmpp "github.com/mattn/go-xmpp"

	"github.com/zarafa/presence/ports"
)

// connection is a logged-in stream. Recv is for one goroutine, Send for any.
type connection struct {
	*relay
	client *xmpp.Client
	guard  *guard
	server net.Addr
	own    string // the full JID the server gave us
}

var (
	errSlowLogin = errors.New("the server did not let us in in time")
	errBinding   = errors.New("it refuses the channel binding that it offers")
)

// unbound finds the ways to log in without channel binding that a server offers. The strongest is the last in the alphabet.
var unbound = regexp.MustCompile(`>(SCRAM-SHA-(?:512|256|1))<`)

// login connects to the server and logs in, with a resource that the server chooses if it is empty. Some servers offer a channel binding that they cannot do (ejabberd before 24.02 with TLS 1.3):
// then it logs in without, now and from then on.
func (s *Source) login(ctx context.Context, resource string) (*connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.limits.login, errSlowLogin)
	defer cancel()
	before := s.mechanism
	c, err := s.loginOnce(ctx, resource)
	if s.mechanism == before {
		return c, err
	}
	s.log.Warn("the server's channel binding does not work, logging in without it", "mechanism", s.mechanism, "err", err)
	return s.loginOnce(ctx, resource)
}

func (s *Source) loginOnce(ctx context.Context, resource string) (*connection, error) {
	server, err := s.dial(ctx)
	if err != nil {
		return nil, cmp.Or(context.Cause(ctx), err)
	}
	relay, err := newRelay(ctx, server)
	if err != nil {
		return nil, err
	}
	guard := newGuard(relay.why, s.limits)
	stop := context.AfterFunc(ctx, func() { relay.cut(context.Cause(ctx)) })
	client, err := s.authenticate(relay, guard, resource)
	stop()
	if err = cmp.Or(context.Cause(ctx), err); err != nil {
		relay.end()
		if err = s.explain(err, guard.find(streamCondition)); errors.Is(err, errBinding) && s.mechanism == "" {
			for _, offered := range unbound.FindAllSubmatch(guard.text, -1) {
				s.mechanism = max(s.mechanism, string(offered[1]))
			}
		}
		return nil, fmt.Errorf("logging in as %s at %s: %w", s.own.bare, server.RemoteAddr(), err)
	}
	guard.enter(awaitingRoster, s.limits.rosterSize)
	return &connection{relay: relay, client: client, guard: guard, server: server.RemoteAddr(), own: client.JID()}, nil
}

// authenticate lets the library log in through the relay. It ends when the relay is cut, if not before.
func (s *Source) authenticate(relay *relay, guard *guard, resource string) (client *xmpp.Client, err error) {
	defer contain(&err)
	bypassProxy()
	return xmpp.Options{
		Host:          relay.address,
		User:          s.own.bare,
		Password:      s.config.Password.Reveal(),
		Resource:      escape(resource),
		DialTimeout:   s.limits.login,
		NoTLS:         s.config.TLS == StartTLS,
		StartTLS:      s.config.TLS == StartTLS,
		TLSConfig:     s.tls.Clone(),
		Mechanism:     s.mechanism,
		NoSASLUpgrade: true, // its number of hashing rounds passes the guard unseen
		Debug:         true,
		DebugWriter:   guard,
	}.NewClient()
}

// bypassProxy keeps the library from asking an HTTP proxy for the way to the relay: it obeys HTTP_PROXY for every address that is not in
// NO_PROXY. For everybody else in this process the entry means nothing, as net/http never uses a proxy for 127.0.0.1.
func bypassProxy() {
	except := cmp.Or(os.Getenv("NO_PROXY"), os.Getenv("no_proxy"))
	if !strings.Contains(except, "127.0.0.1") {
		_ = os.Setenv("NO_PROXY", strings.TrimPrefix(except+",127.0.0.1", ","))
	}
}

// explain turns an error that the library returned while it logged in into one that a person can act on.
func (s *Source) explain(err error, condition string) error {
	text := strings.ReplaceAll(err.Error(), s.config.Password.Reveal(), "***")
	clipped := clip(text)
	reason, refused := strings.CutPrefix(clipped, "auth failure: ")
	switch {
	case refused && strings.Contains(strings.ToLower(reason), "channel binding"):
		return fmt.Errorf("%w: %s", errBinding, reason)
	case refused && condition == "temporary-auth-failure":
		return fmt.Errorf("the server cannot check the password now: %s", reason)
	case refused:
		return fmt.Errorf("%w: wrong account or password: it said %q (%s)", ports.ErrRejected, reason, condition)
	case strings.HasPrefix(text, "no viable authentication method"):
		return fmt.Errorf("%w: it offers no way to log in with a password: %s", ports.ErrRejected, clipped)
	case condition == "host-unknown":
		return fmt.Errorf("%w: it does not serve the domain %s: check xmpp.jid and xmpp.host", ports.ErrRejected, s.own.host)
	case condition == "policy-violation" || condition == "not-authorized":
		return fmt.Errorf("%w: %s (%s)", ports.ErrRejected, clipped, condition)
	case strings.Contains(text, "x509: "):
		return fmt.Errorf("the certificate is not accepted: %s (ca_file names the authority of a private one)", clipped)
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return fmt.Errorf("no TLS on this port: set xmpp.tls to %s, or another port: %s", StartTLS, clipped)
	case text == "EOF" && s.config.TLS == StartTLS:
		return errors.New("the server closed the connection at once: if this is a direct TLS port, set xmpp.tls to " + DirectTLS)
	case condition != "":
		return fmt.Errorf("%s (%s)", clipped, condition)
	case text != err.Error():
		return errors.New(text)
	}
	return err
}

// clip keeps what a server says short, printable and on one line.
func clip(text string) string {
	text = strings.Join(strings.FieldsFunc(text, unicode.IsControl), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "..."
	}
	return text
}
