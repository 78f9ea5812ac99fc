package events_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http/internal/conn"
	"github.com/zarafa/presence/adapters/http/internal/events"
	v1 "github.com/zarafa/presence/adapters/http/internal/v1"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	spreed = coretest.Spreed
	xmpp   = coretest.XMPP
)

const patience = 10 * time.Second

// world is a hub over the real use case, whose subscribers come over real connections.
type world struct {
	t        *testing.T
	core     *coretest.Core
	feed     *watched
	hub      *events.Hub
	listener net.Listener
	serving  sync.WaitGroup
	live     atomic.Int64 // streams that the hub has not let go of
	mu       sync.Mutex   // held while a subscriber connects
}

// watched is a feed whose followings the test can watch.
type watched struct {
	ports.Feed
	followed func()      // is called when there is a new following
	withhold atomic.Bool // a following tells no states, only how far it is
}

type watchedFollowing struct {
	ports.Following
	of *watched
}

func (f *watched) Follow() ports.Following {
	following := &watchedFollowing{Following: f.Feed.Follow(), of: f}
	if f.followed != nil {
		f.followed()
	}
	return following
}

func (f *watchedFollowing) Next(ctx context.Context) ([]domain.State, domain.Revision, error) {
	states, head, err := f.Following.Next(ctx)
	if f.of.withhold.Load() {
		states = nil
	}
	return states, head, err
}

// resume has the journal end a time in which it could not be followed, and in which something was shown as stale.
func (w *world) resume() {
	w.core.Hold(clock.New().Now())
	w.core.ShowStale()
	w.core.Release()
}

func newWorld(t *testing.T, change ...func(*events.Settings)) *world {
	t.Helper()
	settings := events.DefaultSettings()
	settings.Heartbeat = 40 * time.Millisecond
	for _, c := range change {
		c(&settings)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, core: coretest.Start(t), listener: listener}
	w.feed = &watched{Feed: w.core.Feed}
	w.hub = events.New(settings, w.feed, w.core.Directory, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		w.hub.Stop()
		_ = listener.Close()
		w.serving.Wait()
	})
	return w
}

// set makes the store know a presence, which holds as long as the policy says.
func (w *world) set(user domain.UserID, protocol domain.Protocol, status domain.Status, message string, holds time.Duration) {
	w.core.Change(w.t, user, protocol, func(old domain.Presence, now domain.Timestamp) domain.Presence {
		return old.Observe(domain.Shown{Status: status, Message: message}, domain.ExpiryPolicy{After: holds}, now)
	})
}

// remove makes the store know nothing of a user on a protocol.
func (w *world) remove(user domain.UserID, protocol domain.Protocol) {
	w.core.Change(w.t, user, protocol, domain.Presence.Remove)
}

// see replaces the rules of visibility, as a reload does.
func (w *world) see(rules *domain.Visibility) {
	w.core.Sights.Configure(rules)
	w.core.Feed.(*app.Feed).Anew()
	w.hub.Renew()
}

// obey is see for rules that are written as viewer, user, sees.
func (w *world) obey(rules ...[3]string) {
	w.t.Helper()
	var list []domain.VisibilityRule
	for _, r := range rules {
		list = append(list, domain.VisibilityRule{Viewer: r[0], User: r[1], Sees: r[2]})
	}
	visibility, err := domain.NewVisibility(list, domain.UserList{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.see(visibility)
}

// compact makes the core forget what was removed.
func (w *world) compact() { w.core.Elsewhere(w.t, w.core.Revision()+1) }

// subscribe connects. The client's receive buffer is as small as it gets if small.
func (w *world) subscribe(s events.Subscription, small bool) *reader {
	w.t.Helper()
	if s.By.Until == 0 {
		s.By.Until = clock.New().Now().Add(time.Hour)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	dialer := net.Dialer{ControlContext: func(_ context.Context, _, _ string, raw syscallConn) error { return smallBuffer(raw, small) }}
	client, err := dialer.Dial("tcp", w.listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	server, err := w.listener.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	w.live.Add(1)
	w.serving.Go(func() {
		defer w.live.Add(-1)
		w.hub.Serve(conn.NewStream(server.(*net.TCPConn)), &s)
	})
	return &reader{Conn: client, lines: bufio.NewReader(client), held: make(map[domain.UserID]held)}
}

// everybody subscribes to everybody.
func (w *world) everybody() *reader { return w.subscribe(events.Subscription{All: true}, false) }

// list subscribes to some users.
func (w *world) list(users ...domain.UserID) *reader {
	return w.subscribe(events.Subscription{Users: users}, false)
}

// held is what a reader knows of a user.
type held struct {
	revision domain.Revision
	document string // without the times that change without being a change
}

// reader is a client that checks what it is told.
type reader struct {
	net.Conn
	lines *bufio.Reader

	held  map[domain.UserID]held
	id    domain.Revision // up to which it was told everything, or the last state's
	told  domain.Revision // the last state's
	count int             // of states
}

// event is one event, or a comment.
type event struct {
	name, data string
	id         domain.Revision
	hasID      bool
}

// next reads the next event.
func (r *reader) next() (event, error) {
	var e event
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return event{}, err // what is not complete does not count
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "":
			return e, nil
		case ":":
		case "event":
			e.name = value
		case "data":
			e.data += value
		case "retry":
			e.name = "retry"
		case "id":
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return event{}, fmt.Errorf("id %q", value)
			}
			e.id, e.hasID = domain.Revision(n), true
		default:
			return event{}, fmt.Errorf("the line %q", line)
		}
	}
}

// short returns a state's event in a few words.
func (e event) short(t *testing.T) string {
	t.Helper()
	var doc struct {
		User, Status, Message string
		Revision              domain.Revision
	}
	if err := json.Unmarshal([]byte(e.data), &doc); err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(doc.User, "@")
	return strings.TrimSpace(fmt.Sprintf("%d %s %s %s", doc.Revision, name, doc.Status, doc.Message))
}

var errBroken = errors.New("the stream is wrong")

// take reads an event and takes it into account. An errBroken means that the hub has done wrong.
func (r *reader) take() (event, error) {
	e, err := r.next()
	if err != nil {
		return e, err
	}
	switch e.name {
	case "reset":
		clear(r.held)
		r.id, r.told = 0, 0
	case "presence":
		return e, r.takeState(e)
	}
	if e.hasID {
		if e.id < r.id {
			return e, fmt.Errorf("%w: %q has the id %d after %d", errBroken, e.name, e.id, r.id)
		}
		r.id = e.id
	}
	return e, nil
}

func (r *reader) takeState(e event) error {
	var doc struct {
		User     domain.UserID
		Revision domain.Revision
	}
	if err := json.Unmarshal([]byte(e.data), &doc); err != nil {
		return fmt.Errorf("%w: %w in %s", errBroken, err, e.data)
	}
	known := r.held[doc.User]
	switch {
	case e.hasID != (doc.Revision > 0) || e.id != doc.Revision:
		return fmt.Errorf("%w: the id %d with %s", errBroken, e.id, e.data)
	case e.hasID && (e.id <= r.told || e.id < r.id):
		return fmt.Errorf("%w: a state with the id %d after %d and %d", errBroken, e.id, r.told, r.id)
	case doc.Revision < known.revision || doc.Revision == known.revision && known.document != "" && doc.Revision > 0:
		return fmt.Errorf("%w: %s after revision %d of that user", errBroken, e.data, known.revision)
	}
	r.held[doc.User] = held{doc.Revision, essence(e.data)}
	r.count++
	if e.hasID {
		r.id, r.told = e.id, e.id
	}
	return nil
}

// until reads until an event with the given name has come.
func (r *reader) until(t *testing.T, name string) event {
	t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(patience))
	for {
		e, err := r.take()
		if err != nil {
			t.Fatalf("waiting for %q: %v", name, err)
		}
		if e.name == name {
			return e
		}
	}
}

// upTo reads until everything has been told up to a revision.
func (r *reader) upTo(t *testing.T, revision domain.Revision) {
	t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(patience))
	for r.id < revision {
		if _, err := r.take(); err != nil {
			t.Fatalf("waiting for revision %d after %d: %v", revision, r.id, err)
		}
	}
}

// ended reads to the end of the stream.
func (r *reader) ended(t *testing.T) (last event) {
	t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(patience))
	for {
		e, err := r.take()
		if errors.Is(err, io.EOF) {
			return last
		}
		if err != nil {
			t.Fatalf("waiting for the end: %v", err)
		}
		last = e
	}
}

// essence takes out of a document what can change without being a change: when a presence was last confirmed, and until when it holds.
func essence(text string) string {
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return err.Error()
	}
	protocols, _ := doc["protocols"].(map[string]any)
	for name, p := range protocols {
		if p, ok := p.(map[string]any); ok && name != "manual" {
			delete(p, "updated")
			delete(p, "expires")
		}
	}
	short, _ := json.Marshal(doc)
	return string(short)
}

// stored returns what a reader of some users should hold who sees everything.
func (w *world) stored(users ...domain.UserID) map[domain.UserID]held {
	w.t.Helper()
	return w.storedFor(domain.Principal{}, users...)
}

// storedFor returns what a reader of some users should hold.
func (w *world) storedFor(by domain.Principal, users ...domain.UserID) map[domain.UserID]held {
	w.t.Helper()
	want := make(map[domain.UserID]held)
	for _, user := range users {
		states, _, err := w.feed.States(by, []string{string(user)}, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		want[user] = held{states[0].Revision, essence(string(v1.AppendUser(nil, string(user), &states[0])))}
	}
	return want
}

func (w *world) eventually(what string, is func() bool) {
	w.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain until %s", what)
		}
	}
}
