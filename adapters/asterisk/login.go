package asterisk

import (
	"context"
	"crypto/md5" //nolint:gosec // the protocol has nothing else
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/zarafa/presence/dns"
	"github.com/zarafa/presence/ports"
)

var (
	errSlowLogin = errors.New("it did not let us in in time")
	errNotBooted = errors.New("it has not said that it has booted: either it is still starting, or the account has no read=system")
)

// connect connects to Asterisk. conn is raw, or TLS over it.
func (s *Source) connect(ctx context.Context) (conn, raw net.Conn, err error) {
	dialer := net.Dialer{Timeout: s.limits.login, Resolver: dns.NewResolver("")}
	raw, err = dialer.DialContext(ctx, "tcp", s.config.Host)
	if err != nil || s.tls == nil {
		return raw, raw, err
	}
	encrypted := tls.Client(raw, s.tls)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, nil, explainTLS(err)
	}
	return encrypted, raw, nil
}

// explainTLS says what to do about a failed handshake.
func explainTLS(err error) error {
	var noTLS tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &noTLS):
		return fmt.Errorf("no TLS on this port: set asterisk.tls to %s, or another port: %w", tlsNone, err)
	case errors.As(err, &certificate):
		return fmt.Errorf("the certificate is not accepted: %w (ca_file names the authority of a private one)", err)
	}
	return err
}

// greet reads the banner, which must come before ctx ends.
func (s *Source) greet(ctx context.Context, conn, raw net.Conn) (*packetReader, error) {
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	from := newPacketReader(conn)
	banner, err := from.line()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	switch {
	case s.tls == nil && (errors.Is(err, io.EOF) || errors.Is(err, errSlowLogin)):
		return nil, fmt.Errorf("there is no greeting: %w (if this is its TLS port, set asterisk.tls to %s)", err, tlsDirect)
	case err != nil:
		return nil, err
	case !strings.HasPrefix(string(banner), "Asterisk Call Manager"):
		return nil, fmt.Errorf("this is no manager interface: it says %q", clip(string(banner)))
	}
	s.log.Debug("connected to Asterisk", "banner", clip(string(banner)))
	return from, nil
}

// login logs in and waits until Asterisk has booted: before that its lists are empty. It must be done before ctx ends.
func (s *session) login(ctx context.Context) error {
	config := s.source.config
	p, err := s.call(ctx, "Challenge", "AuthType", "MD5")
	if err != nil {
		return err
	}
	sum := md5.Sum([]byte(p.challenge + config.Password.Reveal())) //nolint:gosec // see above
	p, err = s.answer(ctx, "Login", "AuthType", "MD5", "Username", config.Username, "Key", hex.EncodeToString(sum[:]))
	if err != nil {
		return err
	}
	if err := s.refusal("Login", &p); err != nil {
		if strings.Contains(p.message, "In Use") { // allowmultiplelogin=no
			return err
		}
		return fmt.Errorf("%w: wrong account or password, or an address that may not log in: %w", ports.ErrRejected, err)
	}
	for !s.hasBooted {
		p, err := s.receive(ctx)
		if errors.Is(err, errSlowLogin) {
			return errNotBooted
		} else if err != nil {
			return err
		}
		s.event(&p)
	}
	return nil
}
