package main

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
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
}

// A presence never ends too early, and too late by no more than the window and only if the keeper was killed. With a window of zero every
// heartbeat is journaled.
func TestCoalescing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		c := coalescing{window: float64(random.IntN(4)) * 90}
		beats := float64(random.IntN(100))
		s := session{join: 1000, last: 1000 + beats*heartbeatEvery}
		truth := s.last + heartbeatTTL
		if end := c.end(s, truth+1); end != truth {
			t.Fatalf("%+v with window %v ends at %v, want %v", s, c.window, end, truth)
		}
		if end := c.end(s, s.join+random.Float64()*(truth-s.join)); end < truth || end > truth+c.window {
			t.Fatalf("%+v with window %v ends at %v after its keeper was killed, want from %v to %v later", s, c.window, end, truth, c.window)
		}
		journaled, all := c.records(s)
		if all != int(beats)+1 || journaled < 1 || c.window == 0 && journaled != all {
			t.Fatalf("%+v with window %v: %d of %d are journaled", s, c.window, journaled, all)
		}
	}
	// By hand: heartbeats at 0, 40, 80 ...; a bound of 300 seconds is enough for those that need 120 more up to 180, so every fifth is journaled.
	if journaled, all := (coalescing{window: 180}).records(session{0, 40 * 24}); journaled != 5 || all != 25 {
		t.Errorf("%d of %d are journaled, want 5 of 25", journaled, all)
	}
}

// A day for one user, by hand: what begins ends, and who comes leaves.
func TestDay(t *testing.T) {
	d := simulateDay(2000)
	if begun, ended := d.joins.sum(), d.expiries.sum(); math.Abs(begun-ended) > 1e-9 || begun < 0.5 || begun > meetingsADay {
		t.Errorf("%v meetings begin, %v end", begun, ended)
	}
	heartbeats := 0
	for _, s := range d.sessions {
		_, all := coalescing{}.records(s)
		heartbeats += all - 1
	}
	if got := d.renewals.sum() * d.users; math.Abs(got-float64(heartbeats)) > 1e-6 {
		t.Errorf("%v renewals in the day, %d in the meetings", got, heartbeats)
	}
	if all, none := d.peak(1), d.peak(0); none >= all || d.journaled(coalescing{}) != 1 {
		t.Errorf("%v records a second with every heartbeat, %v with none", all, none)
	}
}

func TestShards(t *testing.T) {
	if got := unevenness([]int{100}, 4, 100); got != 4 {
		t.Errorf("one organisation in one of four shards: %v times the mean, want 4", got)
	}
	if got := unevenness([]int{4_000_000}, 4, 1); got > 1.01 {
		t.Errorf("by user: %v times the mean", got)
	}
	for _, users := range []int{10_000_000, 50_000_000} {
		if got := unevenness(organisations(users), 64, 10_000); got > piecesUneven {
			t.Errorf("%d users in pieces are %v times the mean, more than is reckoned with", users, got)
		}
	}
	total := 0
	for _, size := range organisations(1_000_000) {
		total += size
	}
	if total != 1_000_000 {
		t.Errorf("the organisations have %d users, want a million", total)
	}
}

// One node is asked about everybody whom anybody has in a list; more nodes each about fewer, the fewer the better pages are kept together.
func TestWatched(t *testing.T) {
	sizes := organisations(1_000_000)
	if got := watched(sizes, 1, false); got < 0.99 || got > 1 || math.Abs(got-watched(sizes, 1, true)) > 1e-9 {
		t.Errorf("one node is asked about %v of the users", got)
	}
	before := 1.0
	for _, nodes := range []int{2, 8, 32, 128} {
		together, spread := watched(sizes, nodes, true), watched(sizes, nodes, false)
		if together >= before || together > spread || together < 1/float64(nodes)*0.9 {
			t.Errorf("%d nodes: %v together, %v spread, %v with fewer nodes", nodes, together, spread, before)
		}
		before = together
	}
}
