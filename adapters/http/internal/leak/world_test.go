// Package leak_test shows that nothing which a rule hides can be told from its absence, on any way out of the daemon.
//
// It compares two worlds. The first is a site with rules, groups, people who are invisible, and changes. The second is the same, but what is hidden from one
// viewer has not happened there: nobody has heard of a user that the viewer may not see, messages are others if it may see the status alone, and who is
// invisible has reported unavailable with every protocol. Both are real servers. The viewer asks both the same, and must get the same bytes.
//
// Revisions are the daemon's, so they may show that somebody changed. To have the same ones in both worlds, each hidden change has a counterpart in the
// other world: a change of a user that nobody may see (filler).
package leak_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1")) // which keeps the Date header
}

// The protocols. xmpp is read-only.
var (
	xmpp   = coretest.XMPP
	spreed = coretest.Spreed
	board  = domain.MustProtocol("board")
	manual = domain.MustProtocol("manual")
)

// clock is a ports.Clock that a test sets.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() domain.Timestamp { return domain.Timestamp(c.now.Load()) }

// principals is a ports.Tokens: a token is the name of a principal.
type principals struct {
	ports.Tokens
	known map[string]domain.Principal
}

func (p principals) Verify(token string) (domain.Principal, error) {
	by, known := p.known[token]
	if !known {
		return by, fmt.Errorf("%w: nobody", domain.ErrUnauthenticated)
	}
	return by, nil
}

// Principal implements ports.Principals.
func (p principals) Principal(user domain.UserID) domain.Principal {
	if by, known := p.known[string(user)]; known {
		return by
	}
	return domain.Principal{User: user}
}

// nothing is a ports.Readiness that is ready, and ports.Sources that are none.
type nothing struct{}

func (nothing) Ready() error                       { return nil }
func (nothing) KnownUntil() domain.Timestamp       { return 0 }
func (nothing) Statuses() []domain.SourceStatus    { return nil }
func (nothing) Unmapped() ([]domain.Unmapped, int) { return nil, 0 }

// world is a server over a core of its own.
type world struct {
	t     *testing.T
	core  *coretest.Core
	clock *clock
	http  *http.Server
	line  *line // the connection of all who ask

	beat   *stream       // of the pulse
	writes []image.Write // of the next step
	filled int           // how many of them are of fillers
}

// fault makes a world leak, so that a test can show that it is found out. It returns what the server uses instead of the core's own.
type fault func(presence ports.Presence, feed ports.Feed, backup ports.Backup) (ports.Presence, ports.Feed, ports.Backup)

// newWorld starts a server.
func newWorld(t *testing.T, now *clock, tokens principals, planted fault) *world {
	t.Helper()
	w := &world{t: t, clock: now, core: coretest.StartOver(t, memory.NewJournal(), now)}
	cfg := http.DefaultConfig()
	cfg.Listen, cfg.RatePerUser, cfg.RatePerAddress, cfg.MaxStreamsPerUser = "127.0.0.1:0", 0, 0, 100_000
	presence, feed, backup := w.core.Presence, w.core.Feed, w.core.Backup
	if planted != nil {
		presence, feed, backup = planted(presence, feed, backup)
	}
	w.http = http.New(cfg, http.Operations{}, presence, feed, w.core.Directory, nothing{}, backup, nothing{}, tokens, now, slog.New(slog.DiscardHandler))
	if err := w.http.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.line = dial(t, w.http)
	tokens.known[pulse] = domain.Principal{User: pulse, Until: domain.Timestamp(1<<63 - 1)}
	w.beat, _ = follow(t, w.http, pulse, request{method: "GET", path: "/v1/events?user=" + pulse})
	w.commit("begin")
	return w
}

// stop closes the connections, and ends the server and the core.
func (w *world) stop() {
	_ = w.line.conn.Close()
	_ = w.beat.conn.Close()
	if err := w.http.Stop(context.Background()); err != nil {
		w.t.Error(err)
	}
	w.core.End()
}

// obey puts the rules of a site into effect.
func (w *world) obey(s *site) {
	w.core.Groups.Set(s.groups)
	w.core.Identities.Replace(s.identities())
	w.core.Directory.Regroup()
	w.core.Sights.Configure(s.visibility())
	w.http.Renew()
}

// write adds a write to the step, and reports whether it is a change.
func (w *world) write(user domain.UserID, next domain.Presence) (changes bool) {
	old, there := w.core.Image.Presences(user).Of(next.Protocol, next.Device)
	if !there && next.Removed {
		return false
	}
	w.writes = append(w.writes, image.Write{User: user, Old: old, New: next})
	return !there || old.Differs(next)
}

// fill adds changes of users that nobody may see.
func (w *world) fill(changes int) {
	for range changes {
		user := domain.UserID("filler" + strconv.Itoa(w.filled) + "@hidden.test")
		old, _ := w.core.Image.Presences(user).On(board)
		next := old.Observe(domain.Shown{Status: domain.Busy, Message: strconv.FormatUint(uint64(old.Revision)+1, 10)}, domain.ExpiryPolicy{}, w.clock.Now())
		next.Protocol = board
		w.write(user, next)
		w.filled++
	}
}

// pulse is a user that nobody else may see. Its last change says how far a world is.
const pulse = "pulse@hidden.test"

// commit carries out the step's writes, all at once, and returns when new streams begin with them.
func (w *world) commit(mark string) {
	w.t.Helper()
	old, _ := w.core.Image.Presences(pulse).On(board)
	w.write(pulse, old.Observe(domain.Shown{Status: domain.Busy, Message: mark}, domain.ExpiryPolicy{}, w.clock.Now()))
	err := w.core.Apply(context.Background(), w.writes...)
	for errors.Is(err, ports.ErrUnavailable) { // a busy machine has halted this process for a while
		time.Sleep(100 * time.Millisecond)
		err = w.core.Apply(context.Background(), w.writes...)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.writes, w.filled = w.writes[:0], 0
	w.beat.untilOwn(pulse, mark)
}

// presences returns what is kept of a user, without the revisions.
func (w *world) presences(user domain.UserID) domain.Presences {
	kept := append(domain.Presences(nil), w.core.Presences(user)...)
	for i := range kept {
		kept[i].Revision = 0
	}
	return kept
}

// dump tells for a person what is kept of a site.
func (w *world) dump(domainName string) string {
	var b strings.Builder
	w.core.Each(func(user domain.UserID, ps domain.Presences) bool {
		if strings.HasSuffix(string(user), domainName) {
			for _, p := range ps {
				fmt.Fprintf(&b, "    %s %+v\n", user, p)
			}
		}
		return true
	})
	return b.String()
}
