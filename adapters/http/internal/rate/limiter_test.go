package rate_test

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http/internal/rate"
)

// allowed counts how many of some requests at one moment are allowed.
func allowed(l *rate.Limiter[string], party string, now time.Time, requests int) (n int) {
	for range requests {
		if l.Allow(party, now) {
			n++
		}
	}
	return n
}

func TestBurstThenRate(t *testing.T) {
	l, now := rate.New[string](100), time.Now()
	if n := allowed(l, "mark", now, 1000); n != 400 {
		t.Errorf("%d at once, want the 400 of four seconds", n)
	}
	if !l.Spent("mark", now) || l.Spent("alice", now) {
		t.Error("mark has some left, or alice has none")
	}
	if n := allowed(l, "alice", now, 400); n != 400 {
		t.Errorf("another one: %d of 400", n)
	}
	total := 0
	for range 10_000 { // 10,000 a second
		now = now.Add(100 * time.Microsecond)
		total += allowed(l, "mark", now, 1)
	}
	if total != 100 {
		t.Errorf("%d in a second, want 100", total)
	}
	if n := allowed(l, "mark", now.Add(time.Hour), 1000); n != 400 {
		t.Errorf("%d at once after an hour, want 400", n)
	}
}

// TestHeartbeatsAreAbsorbed sends ten a second for ten minutes, and fifty at once every minute.
func TestHeartbeatsAreAbsorbed(t *testing.T) {
	l, now := rate.New[string](100), time.Now()
	for i := range 6000 {
		now = now.Add(100 * time.Millisecond)
		n := 1
		if i%600 == 0 {
			n = 50
		}
		if got := allowed(l, "mark", now, n); got != n {
			t.Fatalf("heartbeat %d: %d of %d", i, got, n)
		}
	}
}

func TestSlowRateAndNone(t *testing.T) {
	l, now := rate.New[string](1), time.Now()
	if n := allowed(l, "mark", now, 10); n != 4 {
		t.Errorf("one a second: %d at once, want 4", n)
	}
	if n := allowed(l, "mark", now.Add(time.Second), 10); n != 1 {
		t.Errorf("a second later: %d, want 1", n)
	}
	l.SetRate(0)
	if n := allowed(l, "mark", now, 1000); n != 1000 {
		t.Errorf("without a limit: %d of 1000", n)
	}
	l.SetRate(10)
	if n := allowed(l, "mark", now.Add(time.Hour), 100); n != 40 {
		t.Errorf("with another limit: %d at once, want 40", n)
	}
}

// TestManyPartiesDoNotFreeOne has somebody who is refused all the time, and 100,000 requests a second of ever new parties: whoever is refused is
// not forgotten, and the new ones are served.
func TestManyPartiesDoNotFreeOne(t *testing.T) {
	l, now := rate.New[string](50), time.Now()
	allowed(l, "attacker", now, 200)
	refused := 0
	for i := range 100_000 {
		now = now.Add(10 * time.Microsecond)
		if !l.Allow(fmt.Sprint(i), now) {
			t.Fatalf("the new party %d is refused", i)
		}
		if i%10 == 0 && !l.Allow("attacker", now) {
			refused++
		}
	}
	if refused < 9950 {
		t.Errorf("of 10,000 requests %d are refused, want all but 50", refused)
	}
}

// BenchmarkAllow is what a request pays.
func BenchmarkAllow(b *testing.B) {
	for name, parties := range map[string]int{"one user": 1, "100,000 users": 100_000} {
		b.Run(name, func(b *testing.B) {
			l, begin := rate.New[string](100), time.Now()
			users := make([]string, parties)
			for i := range users {
				users[i] = fmt.Sprintf("user%06d@example.test", i)
			}
			b.ReportAllocs()
			var at atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n := at.Add(1)
					l.Allow(users[n%int64(parties)], begin.Add(time.Duration(n)*time.Microsecond))
				}
			})
		})
	}
	b.Run("addresses", func(b *testing.B) {
		l, begin := rate.New[netip.Addr](50), time.Now()
		b.ReportAllocs()
		for n := range b.N {
			l.Allow(netip.AddrFrom16([16]byte{0x20, 1, 4: byte(n >> 16), 5: byte(n >> 8), 6: byte(n)}), begin.Add(time.Duration(n)*time.Microsecond))
		}
	})
}
