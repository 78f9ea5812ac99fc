package asterisk

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/asterisktest"
)

// BenchmarkLists is a login with 10,000 extensions that users have, each with a presence state, until Synced. It reports what the source keeps
// of them, besides what the observer does.
func BenchmarkLists(b *testing.B) {
	f := manyExtensions(b, 10_000)
	for b.Loop() {
		w := watch(b, newSource(b, f.Addr(), numbered{}, nil)).synced(b)
		w.cancel()
		<-w.done
	}
	session := newSession(newSource(b, f.Addr(), numbered{}, nil), &client{}, room{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	session.extensions.begin()
	for i := range 10_000 {
		session.extensions.status(&packet{exten: fmt.Sprint(10_000 + i), context: "default", hint: fmt.Sprintf("PJSIP/%d,CustomPresence:%d", i, i), status: "0"}, true)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/10_000, "kept-B/extension")
	runtime.KeepAlive(session)
}

// BenchmarkEvents is one change of a telephone, from the bytes to the observer.
func BenchmarkEvents(b *testing.B) {
	source := newSource(b, "127.0.0.1:5038", numbered{}, nil)
	session := newSession(source, &client{}, &watched{devices: map[domain.UserID]domain.Devices{}, known: map[domain.UserID]bool{}, calls: map[string]int{}})
	session.isConnected = true
	var text strings.Builder
	for i := range 10_000 {
		for _, status := range []int{1, 0} {
			text.WriteString(asterisktest.StatusEvent(hint(fmt.Sprint(10_000+i), "default", fmt.Sprintf("PJSIP/%d,CustomPresence:%d", i, i), status)))
		}
	}
	b.ReportAllocs()
	var from *packetReader
	for n := 0; b.Loop(); n++ {
		if n%20_000 == 0 {
			from = newPacketReader(strings.NewReader(text.String()))
		}
		p, err := from.next()
		if err != nil {
			b.Fatal(err)
		}
		session.event(&p)
	}
}

func manyExtensions(b *testing.B, n int) *asterisktest.Server {
	b.Helper()
	f := asterisktest.Start(b)
	f.Change(func(s *asterisktest.State) {
		s.Whole = true
		for i := range n {
			s.Hints = append(s.Hints, hint(fmt.Sprint(10_000+i), "default", fmt.Sprintf("PJSIP/%d,CustomPresence:%d", i, i), 0))
			s.Presences = append(s.Presences, presence(fmt.Sprintf("CustomPresence:%d", i), "away", "at lunch"))
		}
	})
	return f
}

// room is an observer that keeps nothing and has room for everything.
type room struct{}

func (room) Connected()       {}
func (room) Synced()          {}
func (room) Unconfirmed() int { return 0 }

func (room) AsOf(domain.Timestamp, error) {}
func (room) Forget(domain.UserID)         {}
func (room) Known(domain.UserID) bool     { return true }
func (room) Report(domain.Report) bool    { return true }
