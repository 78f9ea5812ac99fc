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

	"github.com/zarafa/presence/dial"
	"github.com/zarafa/presence/dns"
)

// How large a message the servers must take at least, for a piece of a snapshot, and should take, for a request of 10,000 users that have
// something to say; and how large one is at most, also if they take more.
const (
	minPayload  = 512 << 10
	goodPayload = 4 << 20
	maxPayload  = 8 << 20
)

// connectWithin is how long a server may take to answer.
const connectWithin = 2 * time.Second

// connect makes one attempt. When ctx ends the connection breaks.
func (j *Journal) connect(ctx context.Context) (jetstream.JetStream, error) {
	conn, err := natsgo.Connect(j.config.URL, j.options(ctx)...)
	if err != nil {
		err = fmt.Errorf("store: cannot connect to NATS: %w", err)
		if !mayPass(err) {
			return nil, refusal{err}
		}
		return nil, err
	}
	size := conn.MaxPayload()
	j.limit.Store(min(size, maxPayload)) // entries and pieces have no headers
	if size < minPayload {
		conn.Close()
		return nil, refusal{fmt.Errorf("store: the NATS servers take messages of %d bytes at most; set max_payload to 8MB in their configuration", size)}
	}
	if size < goodPayload {
		j.log.Warn("store: the NATS servers take small messages only, so requests with very many users will be refused; "+
			"set max_payload to 8MB in their configuration", "bytes", size)
	}
	return jetstream.New(conn, jetstream.WithPublishAsyncTimeout(appendWithin), jetstream.WithDefaultTimeout(answerWithin))
}

func (j *Journal) options(ctx context.Context) []natsgo.Option {
	options := []natsgo.Option{
		natsgo.Name("zarafa-presence"),
		natsgo.SetCustomDialer(dialer(func() context.Context { return ctx })),
		natsgo.SkipHostLookup(), // the dialer does that
		natsgo.MaxReconnects(-1),
		natsgo.IgnoreAuthErrorAbort(), // somebody may be replacing the credentials
		natsgo.ReconnectWait(200 * time.Millisecond),
		natsgo.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		natsgo.ReconnectBufSize(-1), // what cannot be sent now is refused now
		natsgo.Timeout(connectWithin),
		natsgo.FlusherTimeout(appendWithin),  // a frozen server accepts no bytes
		natsgo.PingInterval(2 * time.Second), // so that a frozen server is noticed
		natsgo.MaxPingsOutstanding(1),
		natsgo.DisconnectErrHandler(func(_ *natsgo.Conn, err error) {
			if err != nil && ctx.Err() == nil {
				j.log.Warn("store degraded: the connection to NATS is lost; reads go on from memory, writes are refused", "err", err)
			}
		}),
		natsgo.ReconnectHandler(func(conn *natsgo.Conn) {
			j.limit.Store(min(conn.MaxPayload(), maxPayload))
			j.log.Info("store connected again", "server", conn.ConnectedUrlRedacted())
		}),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) {
			if ctx.Err() == nil {
				j.log.Warn("store: NATS reports an error", "err", err)
			}
		}),
	}
	if j.config.Credentials != "" {
		options = append(options, natsgo.UserCredentials(j.config.Credentials))
	}
	if j.config.Roots.File != "" {
		options = append(options, natsgo.Secure(j.config.Roots.ClientTLS("", false)))
	}
	return options
}

// dialer makes connections that are closed when a context ends, so that whoever waits for a frozen server does not wait any longer.
type dialer func() context.Context

// Dial implements natsgo.CustomDialer.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	ctx := d()
	return dial.Within(ctx, &net.Dialer{Timeout: connectWithin, Resolver: dns.NewResolver("")})(ctx, network, address)
}

// refusal is an error that will not go away by itself.
type refusal struct{ error }

// Unwrap returns the error as it is.
func (r refusal) Unwrap() error { return r.error }

// final tells whether an error contains a refusal.
func final(err error) bool { return errors.As(err, new(refusal)) }

// mayPass tells whether a connection that has failed may succeed later. A wrong password or certificate does not become right.
func mayPass(err error) bool {
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return false
	}
	return errors.As(err, new(net.Error)) || errors.Is(err, io.EOF) || errors.Is(err, natsgo.ErrNoServers) ||
		errors.Is(err, natsgo.ErrTimeout) || errors.Is(err, natsgo.ErrConnectionClosed)
}

// What JetStream says when it will not do what we want, and what looks like that but is not; nats.go has no names for these.
const (
	codeNoPlacement       jetstream.ErrorCode = 10005 // not as many servers as replicas, now
	codeReplicasNoCluster jetstream.ErrorCode = 10074 // replicas, and no cluster
)

// classify makes a refusal of an answer of JetStream that will not change by itself.
func classify(err error) error {
	var answer *jetstream.APIError
	if !errors.As(err, &answer) {
		return err
	}
	switch answer.ErrorCode {
	case codeNoPlacement, jetstream.JSErrCodeStreamNameInUse: // the second: another daemon has just created it, otherwise
		return err
	case codeReplicasNoCluster, jetstream.JSErrCodeJetStreamNotEnabledForAccount:
		return refusal{err}
	}
	if answer.Code == 400 {
		return refusal{err}
	}
	return err
}

const (
	retryAfter = 500 * time.Millisecond // between two attempts
	sayEvery   = 5 * time.Second        // between two lines in the log
)

// await repeats an attempt until it succeeds or is refused, or ctx ends: a cluster that is starting, too, has no majority yet.
func (j *Journal) await(ctx context.Context, attempt func() error) error {
	var said time.Time
	for {
		err := classify(attempt())
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case final(err):
			return err
		}
		if time.Since(said) >= sayEvery {
			said = time.Now()
			j.log.Warn("store waiting for NATS", "err", err)
		}
		pause(ctx, retryAfter)
	}
}

// pause waits for d, or for ctx to end.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
