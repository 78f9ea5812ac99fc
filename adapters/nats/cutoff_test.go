package nats_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/faultproxy"
	"github.com/zarafa/presence/internal/natstest"
)

// twoSided starts a server and two daemons that share it. A proxy can cut off one of them.
func twoSided(t *testing.T) (free, behind *daemon, proxy *faultproxy.Proxy) {
	t.Helper()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	proxy = faultproxy.Start(t, cluster.Servers[0].Addr)
	free, behind = open(t, cluster.URL(), nil), open(t, "nats://"+proxy.Addr(), nil)
	for i := range 20 {
		free.append(fmt.Sprint("before ", i))
	}
	equal(t, free, behind)
	return free, behind, proxy
}

// ends waits until Follow has returned by itself, and expects it to say why.
func (d *daemon) ends(want string) {
	d.t.Helper()
	select {
	case err := <-d.ended:
		if err == nil || !strings.Contains(err.Error(), want) {
			d.t.Errorf("Follow = %v; want it to say %q", err, want)
		}
	case <-time.After(time.Minute):
		d.t.Fatal("Follow does not return")
	}
}

// TestWhoWasCutOffCatchesUp: everything is given that was appended meanwhile, also if a snapshot was made.
func TestWhoWasCutOffCatchesUp(t *testing.T) {
	t.Parallel()
	free, behind, proxy := twoSided(t)
	before := behind.all()
	proxy.Cut()
	for i := range 10 {
		free.append(fmt.Sprint("meanwhile ", i))
	}
	if err := free.snapshot(); err != nil {
		t.Fatal(err)
	}
	free.append("after the snapshot")
	if !slices.Equal(before, behind.all()) {
		t.Error("a daemon that is cut off was given something")
	}
	proxy.Restore()
	equal(t, free, behind)
}

// TestWhoWasCutOffForTooLongSaysSo: the entries that it needs are gone, so Follow ends; a new one makes all well.
func TestWhoWasCutOffForTooLongSaysSo(t *testing.T) {
	t.Parallel()
	free, behind, proxy := twoSided(t)
	before := behind.all()
	proxy.Cut()
	for round := range 3 {
		for i := range 10 {
			free.append(fmt.Sprintf("meanwhile %d.%d", round, i))
		}
		if err := free.snapshot(); err != nil {
			t.Fatal(err)
		}
	}
	proxy.Restore()
	behind.ends("cut off for so long")
	if !slices.Equal(before, behind.all()) {
		t.Error("a daemon that cannot go on was given something")
	}
	equal(t, free, open(t, behind.URL(), nil))
}

// TestAJournalThatWasReplacedIsNoticed: somebody has deleted it, and another daemon has begun a new one.
func TestAJournalThatWasReplacedIsNoticed(t *testing.T) {
	t.Parallel()
	free, behind, proxy := twoSided(t)
	before := behind.all()
	proxy.Cut()
	if err := free.DeleteStreams(t.Context()); err != nil {
		t.Fatal(err)
	}
	free.close()
	fresh := open(t, free.URL(), nil)
	for i := range 30 { // more entries than the old one had
		fresh.append(fmt.Sprint("new ", i))
	}
	proxy.Restore()
	behind.ends("replaced")
	if !slices.Equal(before, behind.all()) {
		t.Error("a daemon was given entries of another journal")
	}
}

// TestLostEntriesAreNoticed: the entries since a snapshot are gone. A daemon that follows ends, and one that starts ends too, after a while in which
// the servers could have caught up.
func TestLostEntriesAreNoticed(t *testing.T) {
	t.Parallel()
	free, _, _ := twoSided(t)
	if err := free.snapshot(); err != nil {
		t.Fatal(err)
	}
	if err := free.LoseEntries(t.Context()); err != nil {
		t.Fatal(err)
	}
	free.ends("replaced")
	starting := launch(t, free.URL(), nil)
	starting.ends("something is missing; restore both from a backup")
	if starting.resets == 0 || starting.caught {
		t.Errorf("after %d resets the journal has caught up: %v", starting.resets, starting.caught)
	}
}
