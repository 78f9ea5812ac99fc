package asterisk

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/asterisktest"
	"github.com/zarafa/presence/internal/certtest"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/internal/faultproxy"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/setting"
)

// daemon is a source with the use cases behind it.
type daemon struct {
	core *coretest.Core
	log  *logged
}

func startDaemon(t *testing.T, source *Source) *daemon {
	t.Helper()
	d := &daemon{coretest.Start(t), &logged{}}
	supervisor, err := app.NewSupervisor([]ports.Source{source}, d.core.Core, memory.NewJournal(), clock.New(), d.log.logger())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { supervisor.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return d
}

// want waits until readers see of users what is given: "nothing", or the status, and whether it is stale.
func (d *daemon) want(t *testing.T, want ...string) {
	t.Helper()
	got := make([]string, len(want))
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		for i, user := range []domain.UserID{"alice@example.test", "bob@example.test", "only@example.test"} {
			p, known := d.core.Presences(user).At(clock.New().Now()).On(Protocol)
			got[i] = strings.TrimSpace(p.Status.String() + " " + p.Activity.String())
			if p.Stale {
				got[i] += " (stale)"
			}
			if !known {
				got[i] = "nothing"
			}
		}
		if fmt.Sprint(got) == fmt.Sprint(want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("they are %q, want %q\n%s", got, want, d.log)
		}
	}
}

// Asterisk is killed and comes back, freezes, and stays away: who is still on the phone stays so, who has hung up meanwhile is not, and nobody
// is stuck.
func TestFaults(t *testing.T) {
	t.Parallel()
	hints := func(statuses ...int) (hints []asterisktest.Hint) {
		for i, exten := range []string{"4711", "4712", "4715"} {
			hints = append(hints, hint(exten, "default", "Custom:x,CustomPresence:"+exten, statuses[i]))
		}
		return hints
	}
	f := asterisktest.Start(t, hints(1, 1, 0)...)
	f.SetPresence("4715", "away", "")
	proxy := faultproxy.Start(t, f.Addr())
	source := newSource(t, f.Addr(), recordedPeople, func(c *Config) { c.Host, c.StaleAfter = proxy.Addr(), 4*time.Second })
	source.limits.ping, source.limits.answer = 200*time.Millisecond, 300*time.Millisecond
	d := startDaemon(t, source)
	d.want(t, onThePhone, onThePhone, "away")

	f.Kill()
	d.want(t, onThePhone+" (stale)", onThePhone+" (stale)", "away (stale)")
	f.Change(func(s *asterisktest.State) { s.Hints = hints(1, 0, 0) })
	f.Listen(t)
	d.want(t, onThePhone, "nothing", "away")

	proxy.LoseAnswers()
	d.want(t, onThePhone+" (stale)", "nothing", "away (stale)")
	f.Change(func(s *asterisktest.State) { s.Hints, s.Presences = hints(0, 16, 0), nil })
	proxy.Restore()
	d.want(t, "nothing", onThePhone, "nothing")

	proxy.Cut()
	d.want(t, "nothing", onThePhone+" (stale)", "nothing")
	d.want(t, "nothing", "nothing", "nothing") // after stale_after
	proxy.Restore()
	d.want(t, "nothing", onThePhone, "nothing")
}

func TestTLS(t *testing.T) {
	authority, other := certtest.NewAuthority(t), certtest.NewAuthority(t)
	certificate := func(a *certtest.Authority, host string) *tls.Config {
		pair, err := tls.X509KeyPair(a.Issue(t, host))
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	roots, err := setting.ReadRoots(file)
	if err != nil {
		t.Fatal(err)
	}
	trusted := func(c *Config) { c.TLS, c.Roots = tlsDirect, roots }
	for _, test := range []struct {
		name   string
		server *tls.Config
		change func(*Config)
		want   string // empty: it works
	}{
		{"trusted", certificate(authority, "localhost"), trusted, ""},
		{"of another authority", certificate(other, "localhost"), trusted, "the certificate is not accepted"},
		{"for another name", certificate(authority, "example.test"), trusted, "the certificate is not accepted"},
		{"not checked", certificate(other, "example.test"), func(c *Config) { c.TLS, c.InsecureSkipVerify = tlsDirect, true }, ""},
		{"on the plain port", nil, trusted, "no TLS on this port: set asterisk.tls to none"},
		{"plain text on the TLS port", certificate(authority, "localhost"), func(*Config) {}, "if this is its TLS port, set asterisk.tls to direct"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := asterisktest.Start(t, hint("4711", "default", "Custom:alice", 1))
			f.Change(func(s *asterisktest.State) { s.TLS = test.server })
			source := newSource(t, f.Addr(), recordedPeople, func(c *Config) {
				c.Host = strings.Replace(c.Host, "127.0.0.1", "localhost", 1)
				test.change(c)
			})
			source.limits.login = time.Second // both sides wait for the other's first word
			w := watch(t, source)
			if test.want == "" {
				w.synced(t)
				if got := w.shows("alice@example.test"); got != onThePhone {
					t.Errorf("alice is %q", got)
				}
				w.cancel()
				<-w.done
				return
			}
			if err := w.lost(t, 5*time.Second); !strings.Contains(err.Error(), test.want) || w.count("Connected") != 0 {
				t.Errorf("Run = %v, want %q", err, test.want)
			}
		})
	}
}

// Ten thousand telephones, half of them in use: all show, and after Asterisk was killed those who are still on the phone do, and those who have hung up do
// not. The log has what that takes.
func TestManyTelephones(t *testing.T) {
	const many = 10_000
	hints := make([]asterisktest.Hint, many)
	for i := range hints {
		hints[i] = hint(fmt.Sprint(10_000+i), "default", fmt.Sprintf("PJSIP/%d", i), i%2)
	}
	f := asterisktest.Start(t, hints...)
	f.Change(func(s *asterisktest.State) { s.Whole = true })
	source := newSource(t, f.Addr(), numbered{}, nil)
	before := measureUse()
	begun := time.Now()
	d := startDaemon(t, source)
	busy := func(want int, stale bool) time.Duration {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			n, old := 0, 0
			for i := range many {
				p, known := d.core.Presences(domain.UserID(fmt.Sprintf("u%d@example.test", 10_000+i))).At(clock.New().Now()).On(Protocol)
				if known && p.Status == domain.Busy {
					n++
				}
				if p.Stale {
					old++
				}
			}
			if n == want && (old == n) == stale && (stale || old == 0) {
				return time.Since(begun)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d are busy, %d of these stale; want %d\n%s", n, old, want, d.log)
			}
		}
	}
	listed, use := busy(many/2, false), measureUse()
	t.Logf("%d telephones were seen after %v, with %d KiB and %v of processor time, those of the tests included", many, listed.Round(time.Millisecond),
		(use.heap-before.heap)>>10, use.cpu-before.cpu)
	f.Kill()
	busy(many/2, true)
	f.Change(func(s *asterisktest.State) {
		for i := range s.Hints[:many/2] {
			s.Hints[i].Status = 0
		}
	})
	begun = time.Now()
	f.Listen(t)
	t.Logf("after a restart all is seen within %v", busy(many/4, false).Round(time.Millisecond))
	begun = time.Now()
	for i := range many / 2 {
		f.Say(asterisktest.StatusEvent(hint(fmt.Sprint(10_000+i), "default", fmt.Sprintf("PJSIP/%d", i), 1)))
	}
	t.Logf("%d calls are seen within %v", many/2, busy(many*3/4, false).Round(time.Millisecond))
}

// use is what the process has used.
type use struct {
	heap int64 // bytes
	cpu  time.Duration
}

func measureUse() use {
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	var spent syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &spent)
	return use{int64(memory.HeapAlloc), time.Duration(spent.Utime.Nano() + spent.Stime.Nano())}
}
