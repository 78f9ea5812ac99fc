package xmpp

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/bench"
)

// rendered returns presence stanzas of many users as a server sends them: with a status text, capabilities and the hash of a
// picture.
func rendered(stanzas int) []byte {
	shows := []string{"", "<show>away</show>", "<show>dnd</show>", "<show>xa</show>", "<show>chat</show>"}
	var b bytes.Buffer
	for i := range stanzas {
		fmt.Fprintf(&b, "<presence from='user%d@example.test/device-%d' to='observer@example.test/here' xml:lang='en'>%s<status>message %d, im Café</status>"+
			"<priority>5</priority><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://example.test/client' ver='QgayPKawpkPSDYmwT/WM94uAlu0='/>"+
			"<x xmlns='vcard-temp:x:update'><photo>3b4ce5e0d9a36f3c64d21ba63ae6f2a08c7ec3a1</photo></x></presence>\n", i%5000, i%2, shows[i%len(shows)], i%7)
	}
	return b.Bytes()
}

// decoded is what the reference decodes: no more than an observer needs.
type decoded struct {
	From   string `xml:"from,attr"`
	Type   string `xml:"type,attr"`
	Show   string `xml:"show"`
	Status string `xml:"status"`
}

// counting is the cheapest observer there is.
type counting struct{ reports atomic.Int64 }

func (*counting) Connected()             {}
func (*counting) Known(domain.UserID)    {}
func (c *counting) Report(domain.Report) { c.reports.Add(1) }
func (*counting) Forget(domain.UserID)   {}
func (*counting) Synced()                {}

// BenchmarkIngest measures presence stanzas through the whole adapter (TLS, relay, library, rules), from a fake server in this
// process, which also has to encrypt them. The reference is encoding/xml alone on the same bytes in memory.
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
	source := f.source(b, nil)
	reference := func(stop func() bool) (operations int) {
		for !stop() {
			decoder := xml.NewDecoder(bytes.NewReader(text))
			for range 1000 {
				var p decoded
				if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					b.Fatal(err)
				}
				operations++
			}
		}
		return operations
	}
	subject := func(stop func() bool) int {
		observer := &counting{}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = source.Run(ctx, observer)
		}()
		for !stop() {
			time.Sleep(time.Millisecond)
		}
		operations := int(observer.reports.Load())
		cancel()
		<-done
		return operations
	}
	bench.Compare(b, 0.7, reference, subject)
}
