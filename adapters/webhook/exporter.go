// Package webhook tells HTTP endpoints what users are, whenever that changes, as Standard Webhooks 1.0 says: each message is a POST that is signed, and sent
// again until the receiver takes it.
//
// It keeps no messages, only who waits: a message is made when it is sent, of what the user is then. So an endpoint that is dead for a week costs as much
// memory as there are users, and gets the latest of each when it is back.
package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/dns"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/measure"
	"github.com/zarafa/presence/ports"
)

var _ ports.Exporter = (*Exporter)(nil)

// parallel is how many messages are on their way to an endpoint at once, each of another user.
const parallel = 4

// Exporter implements ports.Exporter for one endpoint.
type Exporter struct {
	config   Config
	keys     [][]byte
	users    domain.UserList
	everyone bool
	events   map[string]bool
	document Document
	groups   ports.Groups
	log      *slog.Logger

	schedule  []time.Duration
	resolver  *net.Resolver
	transport http.RoundTripper // of tests; nil: the network

	told, failed atomic.Uint64
	durations    measure.Histogram
	waiting      atomic.Int64
	failingSince atomic.Int64 // a domain.Timestamp
}

// New makes an exporter of a valid entry, whose messages have users' documents.
func New(config Config, document Document, groups ports.Groups, log *slog.Logger) (*Exporter, error) {
	if err := Validate([]Config{config}); err != nil {
		return nil, err
	}
	x := &Exporter{
		config: config, document: document, groups: groups, events: map[string]bool{}, log: log.With("webhook", config.Name),
		schedule: schedule, resolver: dns.NewResolver(""),
	}
	x.users, _ = domain.ParseUserList(config.users())
	x.everyone = len(config.users()) == 0
	key, _ := decodeSecret(config.Secret)
	x.keys = append(x.keys, key)
	if !config.OldSecret.IsZero() {
		key, _ = decodeSecret(config.OldSecret)
		x.keys = append(x.keys, key)
	}
	for _, event := range config.Events {
		x.events[event] = true
	}
	if len(config.Events) == 0 {
		x.events[eventStatus] = true
	}
	return x, nil
}

// Describe implements ports.Exporter.
func (x *Exporter) Describe() domain.Exporter {
	return domain.Exporter{Name: "webhook:" + x.config.Name, Settings: x.config.digest()}
}

// MadeOf reports whether an entry says the same as the one that the exporter was made of.
func (x *Exporter) MadeOf(entry Config) bool { return x.config.equal(entry) }

// Statistics implements ports.Exporter.
func (x *Exporter) Statistics() ports.ExporterStatistics {
	return ports.ExporterStatistics{
		Told: x.told.Load(), Failed: x.failed.Load(), Durations: &x.durations,
		Waiting: int(x.waiting.Load()), FailingSince: domain.Timestamp(x.failingSince.Load()),
	}
}

// wants reports whether the receiver is to be told of a user.
func (x *Exporter) wants(user domain.UserID) bool {
	return x.everyone || x.users.Has(user, x.groups.Groups)
}

// Result is what came back when a message was sent to try an endpoint.
type Result struct {
	Status int // of the answer; 0: there was none
	Body   []byte
	Took   time.Duration
	Err    error // why the message was not taken; nil: it was
}

// Test sends one message of the type presence.test, and returns what came back. It waits for 20 seconds at most.
func (x *Exporter) Test(ctx context.Context) Result {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := x.newClient(ctx)
	defer c.close()
	began := time.Now()
	a := c.send(ctx, testMessage(x.config.Name, began))
	return Result{Status: a.status, Body: a.body, Took: time.Since(began), Err: a.err}
}

// Run implements ports.Exporter.
func (x *Exporter) Run(ctx context.Context, outbox ports.Outbox) error {
	running, cancel := context.WithCancel(ctx)
	r := &run{
		Exporter: x, outbox: outbox, queue: newQueue(), client: x.newClient(running),
		health: health{schedule: x.schedule},
		news:   make(chan ports.News), results: make(chan result), stopped: make(chan error, 1),
	}
	var working sync.WaitGroup
	defer func() {
		cancel()
		working.Wait()
		r.client.close()
		x.waiting.Store(0)
		x.failingSince.Store(0)
	}()
	working.Go(func() { r.stopped <- r.ask(running) })
	err := r.deliver(running, &working)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// errGone is the error of an endpoint that has answered 410.
var errGone = fmt.Errorf("%w: the endpoint answered 410 Gone", ports.ErrDisabled)
