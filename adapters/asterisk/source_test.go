package asterisk

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/asterisktest"
	"github.com/zarafa/presence/internal/syncbuffer"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

const password = asterisktest.Password

// newSource makes a source that watches a server. The log must never have the password.
func newSource(t testing.TB, address string, names ports.Identities, change func(*Config)) *Source {
	t.Helper()
	c := DefaultConfig()
	c.Host, c.Password = address, setting.NewSecret(password)
	if change != nil {
		change(&c)
	}
	log := &syncbuffer.Buffer{}
	t.Cleanup(func() {
		if text := log.String(); strings.Contains(text, c.Password.Reveal()) {
			t.Errorf("the password is in the log:\n%s", text)
		} else if t.Failed() {
			t.Log(text)
		}
	})
	source, err := New(c, names, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	source.limits.settle, source.limits.doubt = time.Millisecond, time.Millisecond
	return source
}

// people is a ports.Identities that never changes: who has which name.
type people map[string]domain.UserID

func (p people) Find(protocol domain.Protocol, name string) (domain.UserID, bool) {
	return p.User(protocol, name)
}

func (p people) User(_ domain.Protocol, name string) (domain.UserID, bool) {
	user, known := p[strings.ToLower(name)]
	return user, known
}

func (people) Names(domain.Protocol) []domain.Name { return nil }

func (people) Changed() <-chan struct{} { return nil }

// pipe makes a source talk to serve over a pipe, in which every piece arrives by itself.
func pipe(source *Source, serve func(conn net.Conn)) (end func()) {
	var running sync.WaitGroup
	source.dial = func(context.Context) (conn, raw net.Conn, err error) {
		ours, theirs := net.Pipe()
		running.Go(func() {
			defer theirs.Close()
			serve(theirs)
		})
		return ours, ours, nil
	}
	return running.Wait
}

func hint(exten, in, text string, status int) asterisktest.Hint {
	return asterisktest.Hint{Exten: exten, Context: in, Hint: text, Status: status}
}

func presence(presentity, state, note string) asterisktest.Presence {
	return asterisktest.Presence{Presentity: presentity, State: state, Note: note}
}
