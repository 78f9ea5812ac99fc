package xmpp

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/bench"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// rendered returns one presence stanza of each of many users as RFC 6121, 4.7, has them, with all children that it knows. With
// every turn each user shows something else.
func rendered(stanzas, turn int) []byte {
	shows := []string{"", "<show>away</show>", "<show>dnd</show>", "<show>xa</show>", "<show>chat</show>"}
	var b bytes.Buffer
	for i := range stanzas {
		fmt.Fprintf(&b, "<presence from='user%d@example.test/device-%d' to='observer@example.test/here' xml:lang='en'>%s<status>message %d, im Café</status>"+
			"<priority>5</priority></presence>\n", i, i%2, shows[(i+turn)%len(shows)], (i+turn)%7)
	}
	return b.Bytes()
}

// decoded is what the reference decodes: a presence stanza with all that RFC 6121, 4.7, puts into one.
type decoded struct {
	XMLName  xml.Name `xml:"presence"`
	From     string   `xml:"from,attr"`
	To       string   `xml:"to,attr"`
	ID       string   `xml:"id,attr"`
	Type     string   `xml:"type,attr"`
	Lang     string   `xml:"lang,attr"`
	Show     string   `xml:"show"`
	Status   string   `xml:"status"`
	Priority string   `xml:"priority"`
}

// idle is an observer that does nothing: counted counts.
type idle struct{}

func (*idle) Connected()                {}
func (*idle) Known(domain.UserID) bool  { return true }
func (*idle) Report(domain.Report) bool { return true }
func (*idle) Forget(domain.UserID)      {}
func (*idle) Unconfirmed() int          { return 0 }

func (*idle) AsOf(domain.Timestamp, error) {}
func (*idle) Synced()                      {}

// counted is a source whose reports a benchmark counts.
type counted struct {
	ports.Source
	reports atomic.Int64
}

// countedObserver counts and passes on.
type countedObserver struct {
	ports.Observer
	reports *atomic.Int64
}

func (c *counted) Run(ctx context.Context, observer ports.Observer) error {
	return c.Source.Run(ctx, countedObserver{observer, &c.reports})
}

func (o countedObserver) Report(report domain.Report) bool {
	o.reports.Add(1)
	return o.Observer.Report(report)
}

// BenchmarkIngest measures presence stanzas through the whole adapter (TLS, relay, library, rules), from a fake server in this
// process, which also has to encrypt them: to an observer that only counts, and through the use cases into a store. The
// reference is encoding/xml alone on the same bytes in memory, in one goroutine. The connection is made before it begins, and it
// ends when the last report has arrived, and is to be read from the store.
func BenchmarkIngest(b *testing.B) {
	const stanzas = 5000
	var texts [7][]byte
	for turn := range texts {
		texts[turn] = rendered(stanzas, turn)
	}
	reference := func(stop func() bool) (operations int) {
		for turn := 0; !stop(); turn++ {
			decoder := xml.NewDecoder(struct{ io.Reader }{bytes.NewReader(texts[turn%len(texts)])}) // nothing but a Reader, as a connection is
			for range stanzas {
				var p decoded
				if err := decoder.Decode(&p); err != nil {
					b.Fatal(err)
				}
				operations++
			}
		}
		return operations
	}
	for _, to := range []destination{{"observer", observe, anything}, toStore(b)} {
		b.Run(to.name, func(b *testing.B) {
			work, turn := make(chan int), 0
			f := newFake(b, afterLogin(func(s *stream) {
				go s.serve("")
				for turn := range work {
					if _, err := s.Write(texts[turn%len(texts)]); err != nil {
						return
					}
				}
			}))
			source := &counted{Source: f.source(b, nil)}
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() { to.run(ctx, source) })
			bench.Compare(b, 0.7, reference, func(stop func() bool) (operations int) {
				goal := source.reports.Load()
				for ; !stop(); operations += stanzas {
					work <- turn
					turn++
				}
				for goal += int64(operations); source.reports.Load() < goal || !to.shows(stanzas-1, turn-1); {
					time.Sleep(time.Millisecond)
				}
				return operations
			})
			close(work)
			cancel()
			running.Wait()
		})
	}
}

// destination is where reports go.
type destination struct {
	name  string
	run   func(context.Context, *counted)
	shows func(user, turn int) bool // whether the user's stanza of a turn has arrived there
}

// observe runs a source with the cheapest observer there is.
func observe(ctx context.Context, source *counted) { _ = source.Run(ctx, &idle{}) }

func anything(int, int) bool { return true }

// toStore runs a source with all use cases that a report passes through, into a store.
func toStore(b *testing.B) destination {
	store := coretest.Start(b)
	run := func(ctx context.Context, source *counted) {
		supervisor, err := app.NewSupervisor([]ports.Source{source}, store.Core, memory.NewJournal(), clock.New(), slog.New(slog.DiscardHandler))
		if err != nil {
			b.Error(err)
			return
		}
		supervisor.Run(ctx)
	}
	return destination{"store", run, func(user, turn int) bool {
		p, _ := store.Presences(domain.UserID(fmt.Sprintf("user%d@example.test", user))).On(Protocol)
		return strings.HasPrefix(p.Message, fmt.Sprintf("message %d,", (user+turn)%7))
	}}
}
