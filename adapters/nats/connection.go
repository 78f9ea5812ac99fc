package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How large a message the servers must take at least, for a chunk of a snapshot, and should take, for a request of 10,000 users that have
// something to say.
const (
	minPayload  = 512 << 10
	goodPayload = 4 << 20
)

// connect connects to the engine in this process, or to the cluster.
func (s *Store) connect() error {
	address, options := s.config.URL, s.options()
	if s.engine != nil {
		options = append(options, s.engine.connect())
	}
	if s.config.Credentials != "" {
		options = append(options, natsgo.UserCredentials(s.config.Credentials))
	}
	if s.config.CAFile != "" {
		options = append(options, natsgo.RootCAs(s.config.CAFile))
	}
	conn, err := natsgo.Connect(address, options...)
	if err != nil {
		err = fmt.Errorf("store: cannot connect to NATS: %w", err)
		if !mayPass(err) {
			return refusal{err}
		}
		return err
	}
	s.conn = conn
	s.payload.Store(conn.MaxPayload())
	switch size := conn.MaxPayload(); {
	case size < minPayload:
		return refusal{fmt.Errorf("store: the NATS servers take messages of %d bytes at most; set max_payload to 8MB in their configuration", size)}
	case size < goodPayload:
		s.log.Warn("store: the NATS servers take small messages only, so requests with very many users will be refused; set max_payload to 8MB in their configuration",
			"bytes", size)
	}
	return nil
}

func (s *Store) options() []natsgo.Option {
	return []natsgo.Option{
		natsgo.Name("zarafa-presence"),
		natsgo.MaxReconnects(-1),
		natsgo.IgnoreAuthErrorAbort(), // somebody may be replacing the credentials
		natsgo.ReconnectWait(200 * time.Millisecond),
		natsgo.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		natsgo.ReconnectBufSize(-1), // what cannot be sent now is refused now
		natsgo.Timeout(2 * time.Second),
		natsgo.FlusherTimeout(applyWithin),   // a frozen server takes nothing any more
		natsgo.PingInterval(2 * time.Second), // so that a frozen server is noticed
		natsgo.MaxPingsOutstanding(1),
		natsgo.DisconnectErrHandler(func(_ *natsgo.Conn, err error) {
			if err != nil {
				s.log.Warn("store degraded: the connection to NATS is lost; reads go on from memory, writes are refused", "err", err)
			}
		}),
		natsgo.ReconnectHandler(s.reconnected),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) { s.log.Warn("store: NATS", "err", err) }),
	}
}

func (s *Store) reconnected(conn *natsgo.Conn) {
	s.payload.Store(conn.MaxPayload())
	s.log.Info("store connected again", "server", conn.ConnectedUrlRedacted())
}

// refusal is an error that will not go away by itself.
type refusal struct{ error }

// Unwrap returns the error as it is.
func (r refusal) Unwrap() error { return r.error }

// mayPass tells whether a connection that has failed may succeed later. A wrong password or certificate does not become right.
func mayPass(err error) bool {
	var certificate *tls.CertificateVerificationError
	var network net.Error
	switch {
	case errors.As(err, &certificate):
		return false
	case errors.Is(err, natsgo.ErrNoServers), errors.Is(err, natsgo.ErrTimeout), errors.Is(err, natsgo.ErrConnectionClosed), errors.Is(err, io.EOF):
		return true
	default:
		return errors.As(err, &network)
	}
}

// What JetStream says when it will not do what we want, and what looks like that but is not; nats.go has no names for these.
const (
	codeNoPlacement       jetstream.ErrorCode = 10005 // not as many servers as replicas, now
	codeReplicasNoCluster jetstream.ErrorCode = 10074 // replicas, and no cluster
)

// judge tells refusals from what may pass among the answers of JetStream.
func judge(err error) error {
	var answer *jetstream.APIError
	if !errors.As(err, &answer) || answer.ErrorCode == codeNoPlacement {
		return err
	}
	if answer.Code == 400 || answer.ErrorCode == codeReplicasNoCluster || answer.ErrorCode == jetstream.JSErrCodeJetStreamNotEnabledForAccount {
		return refusal{err}
	}
	return err
}

// overtaken tells whether a message was refused because another one was first on its subject. The second code stands for one that is
// still on its way.
func overtaken(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) &&
		(refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

const (
	waitAgain = 500 * time.Millisecond // between two attempts
	waitSay   = 5 * time.Second        // between two lines in the log
)

// await repeats an attempt until it succeeds or is refused, or ctx ends: a cluster that is starting, too, has no majority yet. The engine in
// this process need not be waited for.
func (s *Store) await(ctx context.Context, attempt func() error) error {
	var said time.Time
	for {
		err := attempt()
		var refused refusal
		if err == nil || s.engine != nil || errors.As(err, &refused) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		if time.Since(said) >= waitSay {
			said = time.Now()
			s.log.Warn("store waiting for NATS", "err", err)
		}
		pause(ctx, waitAgain)
	}
}
