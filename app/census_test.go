package app_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

func setTo(status domain.Status, policy domain.ExpiryPolicy) func(domain.Presence, domain.Timestamp) domain.Presence {
	return func(old domain.Presence, now domain.Timestamp) domain.Presence {
		return old.Observe(domain.Shown{Status: status}, policy, now)
	}
}

// TestCensus counts as a reader would see it, and not more often than it may.
func TestCensus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := coretest.Start(t)
		census := app.NewCensus(store.Image, clock.New(), domain.Precedence{{Protocol: chat, Any: true}})
		if _, ok := census.Count(t.Context()); ok {
			t.Error("it counts before it runs")
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { census.Run(ctx) })
		synctest.Wait()
		store.Change(t, anna, chat, setTo(domain.Away, domain.ExpiryPolicy{}))
		store.Change(t, anna, web, setTo(domain.Busy, domain.ExpiryPolicy{})) // chat decides
		store.Change(t, bea, web, setTo(domain.Busy, domain.ExpiryPolicy{After: time.Minute}))
		store.Change(t, carl, web, setTo(domain.Busy, domain.ExpiryPolicy{After: time.Minute, Vanishes: true}))
		counts := func(want string) {
			t.Helper()
			got, ok := census.Count(t.Context())
			if text := fmt.Sprint(got.Users, got.Presences); !ok || text != want {
				t.Errorf("counted %s (%t), want %s", text, ok, want)
			}
		}
		counts("map[unavailable:0 away:1 available:0 busy:2] map[spreed:3 xmpp:1]")
		store.Change(t, anna, chat, setTo(domain.Available, domain.ExpiryPolicy{}))
		counts("map[unavailable:0 away:1 available:0 busy:2] map[spreed:3 xmpp:1]") // again so soon
		time.Sleep(time.Second)
		counts("map[unavailable:0 away:0 available:1 busy:2] map[spreed:3 xmpp:1]")
		time.Sleep(2 * time.Minute) // nobody writes that they have expired
		counts("map[unavailable:1 away:0 available:1 busy:0] map[spreed:2 xmpp:1]")
		cancel()
		running.Wait()
		if _, ok := census.Count(context.Background()); ok {
			t.Error("it counts after its end")
		}
	})
}

// TestLeases notes what is held.
func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		leases := app.NewLeases(waiting(free))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var running sync.WaitGroup
		running.Go(func() { leases.Hold(ctx, "xmpp", func(ctx context.Context) { <-ctx.Done() }) })
		for _, want := range []string{"map[xmpp:false]", "map[xmpp:true]", "map[xmpp:false]"} {
			synctest.Wait()
			if got := fmt.Sprint(leases.Held()); got != want {
				t.Errorf("held are %s, want %s", got, want)
			}
			if want == "map[xmpp:true]" {
				cancel()
				running.Wait()
			} else if ctx.Err() == nil {
				close(free)
			}
		}
	})
}

// waiting is a ports.Leases that gives a lease once it is closed.
type waiting chan struct{}

func (w waiting) Hold(ctx context.Context, _ string, work func(context.Context)) {
	<-w
	work(ctx)
}

var _ ports.Leases = waiting(nil)

// BenchmarkCensus is what docs/metrics.md says of counting a million users on two protocols.
func BenchmarkCensus(b *testing.B) {
	store := coretest.Start(b)
	for first := 0; first < million; first += 1000 {
		err := store.Writer.Apply(b.Context(), func(writes []image.Write) ([]image.Write, error) {
			now := clock.New().Now()
			for i := first; i < first+1000; i++ {
				user := domain.UserID(fmt.Sprintf("user%07d@example.test", i))
				for _, protocol := range []domain.Protocol{web, chat} {
					old := domain.Presence{Protocol: protocol}
					writes = append(writes, image.Write{User: user, Old: old, New: setTo(domain.Busy, domain.ExpiryPolicy{})(old, now)})
				}
			}
			return writes, nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	census := app.NewCensus(store.Image, clock.New(), domain.Precedence{{Protocol: chat, Any: true}})
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { census.Run(ctx) })
	for {
		began := time.Now()
		if count, ok := census.Count(ctx); ok {
			b.ReportMetric(float64(time.Since(began).Nanoseconds())/million, "ns/user")
			if count.Users[domain.Busy] != million {
				b.Errorf("counted %v", count)
			}
			break
		}
	}
	b.ReportMetric(0, "ns/op")
	cancel()
	running.Wait()
}
