package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
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

const million = 1_000_000

// idBytes is what an id of crowd takes in memory, message what each presence carries.
const idBytes, messageText = 32, "in a meeting"

func crowd(i int) string { return fmt.Sprintf("user%07d@mail.example.test", i) }

// crowdSource is a source on which a million users are online with one device each.
type crowdSource struct{ told chan struct{} }

func (s *crowdSource) Describe() domain.Source {
	return domain.Source{Protocol: chat, StaleAfter: time.Minute}
}
func (s *crowdSource) Run(ctx context.Context, seen ports.Observer) error {
	seen.Connected()
	for i := range million {
		user, _ := domain.ParseUserID(crowd(i))
		seen.Report(domain.Report{User: user, Device: fmt.Sprintf("res%08x", i), Status: domain.Busy, Message: fmt.Sprint(messageText)})
	}
	seen.Synced()
	close(s.told)
	<-ctx.Done()
	return ctx.Err()
}

// daemon is all of the use cases at work on a store in memory, the source included if there is one.
type daemon struct {
	presence *app.Presence
	store    *coretest.Core
	expiry   domain.ExpiryPolicy
}

func startDaemon(b *testing.B, expiry time.Duration, sources ...ports.Source) *daemon {
	b.Helper()
	d := &daemon{store: coretest.Start(b), expiry: domain.ExpiryPolicy{After: expiry}}
	var err error
	updatable := domain.ClientProtocol{Protocol: web, Expiry: d.expiry}
	if d.presence, err = app.NewPresence(d.store.Core, clock.New(), []domain.ClientProtocol{updatable}, []domain.Protocol{chat}); err != nil {
		b.Fatal(err)
	}
	supervisor, err := app.NewSupervisor(sources, d.store.Core, memory.NewJournal(), clock.New(), quiet)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { app.NewExpirer(d.store.Core, d.store.Writer, clock.New(), quiet).Run(ctx) })
	running.Go(func() { supervisor.Run(ctx) })
	b.Cleanup(func() { cancel(); running.Wait() })
	return d
}

func (d *daemon) beat(b *testing.B, user string) {
	err := d.presence.Update(context.Background(), asService, []domain.Update{{User: user, Protocol: "spreed", Status: "available", Message: messageText}})
	if err != nil {
		b.Error(err)
	}
}

// BenchmarkMemoryPerUser fills the whole daemon with a million users on two protocols and weighs the heap: store, the source's
// devices and the expirer's deadlines. The ids and the messages themselves are taken off, once for each presence.
func BenchmarkMemoryPerUser(b *testing.B) {
	before := heap()
	source := &crowdSource{told: make(chan struct{})}
	d := startDaemon(b, time.Hour, source)
	for i := range million {
		d.beat(b, crowd(i))
	}
	<-source.told
	for d.count() < 2*million {
		time.Sleep(10 * time.Millisecond)
	}
	once := heap()
	for i := range million { // heartbeats replace what is stored: nothing may pile up
		d.beat(b, crowd(i))
	}
	perUser := float64(heap()-before) / million
	const text = idBytes + 2*16 // an id and two messages, in the allocator's sizes
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(perUser, "B/user")
	b.ReportMetric(float64(once-before)/million-text, "B/user-first")
	b.ReportMetric(perUser-text, "B/user-overhead")
	if perUser-text > 400 {
		b.Errorf("%.0f bytes per user on top of the id and the message, at most 400 are allowed", perUser-text)
	}
	runtime.KeepAlive(d)
}

func (d *daemon) count() (presences int) {
	d.store.Each(func(_ domain.UserID, ps domain.Presences) bool { presences += len(ps); return true })
	return presences
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// In BenchmarkExpiry this many users a second stop beating, and as many others begin to.
const turnover = 50_000

// BenchmarkExpiry keeps some of a million users alive by 200,000 heartbeats a second while others come and go, so that they expire all
// the time, and compares the 99th percentile of reads with that of the same daemon at rest.
func BenchmarkExpiry(b *testing.B) {
	const rate, expiry, warmUp, measured, rounds = 200_000, 3 * time.Second, 4 * time.Second, 6 * time.Second, 5
	d := startDaemon(b, expiry)
	users := make([]string, million)
	for i := range users {
		users[i] = crowd(i)
		d.beat(b, users[i])
	}
	var atRest, beating, ratios []float64
	for range rounds {
		time.Sleep(expiry + time.Second) // everybody expires
		if left := d.available(); left != 0 {
			b.Fatalf("%d users have not been announced as expired", left)
		}
		rest := readLatency(d, users, 2*time.Second)
		stop := make(chan struct{})
		var achieved int
		var beats sync.WaitGroup
		beats.Go(func() { achieved = d.beatAtRate(b, users, rate, stop) })
		time.Sleep(warmUp)
		busy := readLatency(d, users, measured)
		close(stop)
		beats.Wait()
		if achieved < rate*95/100 {
			b.Errorf("%d heartbeats/s were taken, want %d", achieved, rate)
		}
		came := window + int((warmUp+measured).Seconds())*turnover
		if expired := came - d.available(); expired < 3*turnover {
			b.Errorf("%d users have expired while others beat, want some %d a second", expired, turnover)
		}
		atRest, beating, ratios = append(atRest, rest), append(beating, busy), append(ratios, busy/rest)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bench.Median(atRest), "p99-ns-rest")
	b.ReportMetric(bench.Median(beating), "p99-ns-beating")
	b.ReportMetric(bench.Median(ratios), "ratio")
	if bench.Median(ratios) > 1.5 {
		b.Errorf("the p99 of reads grows %.2f times under heartbeats, at most 1.5 is allowed", bench.Median(ratios))
	}
}

func (d *daemon) available() (n int) {
	d.store.Each(func(_ domain.UserID, ps domain.Presences) bool {
		if ps[0].Status != domain.Unavailable {
			n++
		}
		return true
	})
	return n
}

// window is how many users beat at a time: each every two seconds, at the benchmark's rate.
const window = 400_000

// beatAtRate sends heartbeats until stop, in small bursts, of a window of users that moves on by turnover each second, and
// returns how many a second it achieved.
func (d *daemon) beatAtRate(b *testing.B, users []string, rate int, stop <-chan struct{}) int {
	const burst = 100
	start, sent := time.Now(), 0
	for {
		select {
		case <-stop:
			return int(float64(sent) / time.Since(start).Seconds())
		default:
		}
		elapsed := time.Since(start).Seconds()
		if due := int(elapsed * float64(rate)); due < sent+burst {
			time.Sleep(burst * time.Second / time.Duration(rate))
			continue
		}
		first := int(elapsed * turnover)
		for range burst {
			d.beat(b, users[(first+sent%window)%len(users)])
			sent++
		}
	}
}

// readLatency returns the 99th percentile of a query of one user, in nanoseconds.
func readLatency(d *daemon, users []string, during time.Duration) float64 {
	var latencies []float64
	into := make([]domain.Presences, 0, 1)
	for end := time.Now().Add(during); time.Now().Before(end); {
		id := []string{users[rand.IntN(len(users))]}
		start := time.Now()
		_, _ = d.presence.Query(domain.Principal{}, id, into)
		latencies = append(latencies, float64(time.Since(start)))
		time.Sleep(20 * time.Microsecond)
	}
	slices.Sort(latencies)
	return latencies[len(latencies)*99/100]
}
