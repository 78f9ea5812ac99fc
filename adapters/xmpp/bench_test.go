package xmpp

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/bench"
	"github.com/zarafa/presence/ports"
)

// rendered returns presence stanzas of many users as RFC 6121, 4.7, has them, with all children that it knows.
func rendered(stanzas int) []byte {
	shows := []string{"", "<show>away</show>", "<show>dnd</show>", "<show>xa</show>", "<show>chat</show>"}
	var b bytes.Buffer
	for i := range stanzas {
		fmt.Fprintf(&b, "<presence from='user%d@example.test/device-%d' to='observer@example.test/here' xml:lang='en'>%s<status>message %d, im Café</status>"+
			"<priority>5</priority></presence>\n", i%5000, i%2, shows[i%len(shows)], i%7)
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

// counting is the cheapest observer there is.
type counting struct{ reports atomic.Int64 }

func (*counting) Connected()             {}
func (*counting) Known(domain.UserID)    {}
func (c *counting) Report(domain.Report) { c.reports.Add(1) }
func (*counting) Forget(domain.UserID)   {}
func (*counting) Synced()                {}

// counted is a source of which a benchmark counts the reports.
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

func (o countedObserver) Report(report domain.Report) {
	o.reports.Add(1)
	o.Observer.Report(report)
}

// BenchmarkIngest measures presence stanzas through the whole adapter (TLS, relay, library, rules), from a fake server in this
// process, which also has to encrypt them: to an observer that only counts, and through the use cases into a store. The
// reference is encoding/xml alone on the same bytes in memory, in one goroutine.
func BenchmarkIngest(b *testing.B) {
	const stanzas = 20_000
	text := rendered(stanzas)
	f := newFake(b, afterLogin(func(s *stream) {
		go s.serve("")
		for {
			if _, err := s.Write(text); err != nil {
				return
			}
		}
	}))
	reference := func(stop func() bool) (operations int) {
		for {
			decoder := xml.NewDecoder(struct{ io.Reader }{bytes.NewReader(text)}) // nothing but a Reader, as a connection is
			for range stanzas {
				if operations%100 == 0 && stop() {
					return operations
				}
				var p decoded
				if err := decoder.Decode(&p); err != nil {
					b.Fatal(err)
				}
				operations++
			}
		}
	}
	b.Run("observer", func(b *testing.B) {
		bench.Compare(b, 0.7, reference, func(stop func() bool) int {
			observer := &counting{}
			runUntil(stop, func(ctx context.Context) { _ = f.source(b, nil).Run(ctx, observer) })
			return int(observer.reports.Load())
		})
	})
	b.Run("store", func(b *testing.B) {
		bench.Compare(b, 0.7, reference, func(stop func() bool) int {
			source := &counted{Source: f.source(b, nil)}
			supervisor, err := app.NewSupervisor([]ports.Source{source}, memory.New(), clock.System{}, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			runUntil(stop, supervisor.Run)
			return int(source.reports.Load())
		})
	})
}

// runUntil runs something until it is time to stop, and returns when it has ended: until then reports arrive.
func runUntil(stop func() bool, run func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	for !stop() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
}
