package main

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/zarafa/presence/domain"
)

const page = "../../docs/scale.md"

// The page's tables are the program's output. `make simulate` brings them up to date.
func TestPageIsUpToDate(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want, err := fill(string(text), simulate())
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != want {
		t.Error("docs/scale.md does not show what the simulation says: run `make simulate`")
	}
	if _, err := fill("a page without marks", []*table{{name: "today"}}); err == nil {
		t.Error("a page without marks is accepted")
	}
}

// A presence never ends too early; too late by no more than the window, and only if the keeper was killed.
func TestCoalescing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		c := coalescing{window: float64(random.IntN(4)) * 90}
		beats := random.IntN(100)
		s := session{join: 1000, last: 1000 + float64(beats)*heartbeatEvery}
		written, all := 1, 1
		k := c.each(s, func(_ float64, journaled bool) {
			all++
			if journaled {
				written++
			}
		})
		truth := s.last + heartbeatTTL
		if end := k.end(truth + 1); end != truth {
			t.Fatalf("%+v with window %v ends at %v, want %v", s, c.window, end, truth)
		}
		if end := k.end(truth - 1); end < truth || end > truth+c.window {
			t.Fatalf("%+v with window %v ends at %v after its keeper was killed, want from %v to %v later", s, c.window, end, truth, c.window)
		}
		// By hand: a bound reaches the window further than its heartbeat holds, so it is enough for window/40 heartbeats more.
		if want := beats/(int(c.window/heartbeatEvery)+1) + 1; all != beats+1 || written != want {
			t.Fatalf("%+v with window %v: %d of %d heartbeats are journaled, want %d of %d", s, c.window, written, all, want, beats+1)
		}
	}
}

// One presence at a time, by hand: of who is in a meeting only those are shown too long whose last heartbeat still holds.
func TestLate(t *testing.T) {
	at := meetingsFrom + 7*minute // the keeper is killed then, and 31 minutes later
	sessions := []session{{at - 200, at + 200}, {at - 240, at - 80}, {at - 400, at - 200}}
	// The second one: heartbeats at -240, -200 ... -80; the bound, of the first one, is -240+120+180 = 60, the truth 40.
	if part, by := (coalescing{180}).late(sessions); part != 0.5 || by != 20 {
		t.Errorf("%v of those shown in a meeting are shown for %v s too long, want one of two, for 20", part, by)
	}
	if part, _ := (coalescing{}).late(sessions); part != 0 {
		t.Errorf("%v are shown too long although every heartbeat was journaled", part)
	}
}

func TestDay(t *testing.T) {
	d := simulateDay(2000)
	if begun, ended := d.joins.sum(), d.expiries.sum(); math.Abs(begun-ended) > 1e-9 || begun < 0.5 || begun > meetingsADay {
		t.Errorf("%v meetings begin, %v end", begun, ended)
	}
	if every := d.journaled(coalescing{}); *every != d.renewals {
		t.Error("without coalescing not every heartbeat is journaled")
	}
	last := math.Inf(1)
	for _, window := range windows {
		now := d.records(coalescing{window})
		if now >= last || now <= d.changes() {
			t.Errorf("%v records a second with a window of %v, %v with the one before, %v changes", now, window, last, d.changes())
		}
		last = now
	}
}

// By hand: what a second device says changes the status only where the merged one changes.
func TestDevices(t *testing.T) {
	d := &day{part: 1}
	d.live([]report{
		{60, domain.Device{Name: "desk", Status: domain.Available}}, // a change
		{300, domain.Device{Name: "desk", Status: domain.Busy}},     // a change
		{120, domain.Device{Name: "phone", Status: domain.Away}},
		{420, domain.Device{Name: "desk", Status: domain.Unavailable}}, // a change: away
		{480, domain.Device{Name: "phone", Status: domain.Away}},
		{540, domain.Device{Name: "phone", Status: domain.Unavailable}}, // a change
	})
	if d.reports.sum() != 6 || d.statuses.sum() != 4 || d.statuses[7] != 1 {
		t.Errorf("%v reports, %v changes, %v in minute 7", d.reports.sum(), d.statuses.sum(), d.statuses[7])
	}
}

// Whatever the shards, nobody is lost.
func TestShards(t *testing.T) {
	sizes := organisations(1_000_000)
	for _, shards := range []int{1, 3, 64} {
		for _, piece := range []int{1, 10_000, largest} {
			load, total := spread(sizes, shards, piece), 0
			for _, n := range load {
				total += n
			}
			if total != 1_000_000 || len(load) != shards {
				t.Errorf("%d users in %d shards, want a million in %d", total, len(load), shards)
			}
		}
	}
	if got := unevenness(spread([]int{100}, 4, 100)); got != 4 {
		t.Errorf("one organisation in one of four shards: %v times the mean, want 4", got)
	}
}

// The formulas say what a graph of 20,000 users says that is drawn user by user.
func TestAsked(t *testing.T) {
	sizes := make([]int, 0, 100)
	users := 0
	for i := range 100 {
		sizes = append(sizes, 20+i*i/4)
		users += sizes[i]
	}
	const nodes = 4
	for _, r := range []routing{anywhere, together, home} {
		if got, want := asked(sizes, nodes, r), drawn(sizes, users, nodes, r); math.Abs(got-want) > 0.02 {
			t.Errorf("routing %d: %.3f of the users are asked about, %.3f in the graph", r, got, want)
		}
	}
}

// drawn is what asked is, over all nodes, in a graph that is drawn.
func drawn(sizes []int, users, nodes int, r routing) float64 {
	random := rand.New(rand.NewPCG(5, 6))
	popular := func(size int) int { x := random.Float64(); return int(float64(size) * x * x) }
	about := make([]bool, users*nodes)
	first := 0
	organisation := make([]int, users) // where each user's begins
	size := make([]int, users)
	for _, n := range sizes {
		for u := first; u < first+n; u++ {
			organisation[u], size[u] = first, n
		}
		first += n
	}
	at := 0 // the node of the organisation
	for u := range users {
		if organisation[u] == u {
			at = random.IntN(nodes)
		}
		node := at
		if r == anywhere {
			node = random.IntN(nodes)
		}
		if random.Float64() >= viewing {
			continue
		}
		for range int(draws[random.IntN(steps)] + 0.5) {
			if random.Float64() < foreignShare {
				any := random.IntN(users)
				about[(organisation[any]+popular(size[any]))*nodes+node] = true
			} else if r != home {
				about[(organisation[u]+popular(size[u]))*nodes+node] = true
			}
		}
	}
	n := 0
	for _, a := range about {
		if a {
			n++
		}
	}
	return float64(n) / float64(len(about))
}

// A plan keeps to what it says, and each measure does what it is for.
func TestPlan(t *testing.T) {
	d := simulateDay(2000)
	sizes := organisations(10_000_000)
	today, all := plan(d, sizes, measures{}), plan(d, sizes, measures{true, true, true})
	if today.users != 10_000_000 || today.held != 1 || today.journals != 1 || today.fullest != today.records {
		t.Errorf("today: %+v", today)
	}
	if all.beyond() != "nothing" || all.held >= 1 || all.records >= today.records || all.nodes < today.nodes || all.journals < all.nodes {
		t.Errorf("with all measures: %+v, beyond the plan: %q", all, all.beyond())
	}
	if s := plan(d, slices.Repeat(sizes, 10), measures{}); s.beyond() != "journal, memory, cores" {
		t.Errorf("a hundred million users on today's design are beyond the plan in %q", s.beyond())
	}
}
