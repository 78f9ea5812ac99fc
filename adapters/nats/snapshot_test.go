package nats_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/ports"
)

// TestASnapshotThatFailsIsNone: neither one whose pieces come to no end, nor one that a daemon left behind when it was killed. The next one
// removes what they have left.
func TestASnapshotThatFailsIsNone(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	d := open(t, cluster.URL(), nil)
	for i := range 25 {
		d.append(fmt.Sprint(i))
	}
	if err := d.snapshot(); err != nil {
		t.Fatal(err)
	}
	d.append("between")
	failed := errors.New("cannot render")
	n := 0
	err := d.Snapshot(t.Context(), d.position(), func() ([]byte, error) {
		if n++; n < 3 {
			return []byte("of a snapshot that fails"), nil
		}
		return nil, failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("Snapshot = %v, want %v", err, failed)
	}
	if err := d.WritePiecesOnly(t.Context(), fmt.Sprint(d.position()), pieces(d.all())); err != nil {
		t.Fatal(err)
	}
	err = d.Snapshot(t.Context(), d.position(), func() ([]byte, error) { return make([]byte, d.Limit()+1), nil })
	if !errors.Is(err, ports.ErrTooLarge) {
		t.Errorf("Snapshot with a large piece = %v, want ErrTooLarge", err)
	}
	again := open(t, cluster.URL(), nil)
	equal(t, d, again)
	if len(again.pieces) != 3 {
		t.Errorf("the snapshot has %d pieces, want 3", len(again.pieces))
	}
	if err := again.Snapshot(t.Context(), 3, func() ([]byte, error) { return []byte("of a snapshot that is older"), nil }); err != nil {
		t.Errorf("Snapshot that is not newer = %v", err)
	}
	if err := again.snapshot(); err != nil {
		t.Fatal(err)
	}
	there, holds, err := d.Pieces(t.Context())
	if err != nil || len(there) != 2 || there[holds] != 3 {
		t.Errorf("there are the pieces of %v, %s holds, %v; want those of it and of the one before", there, holds, err)
	}
	equal(t, d, open(t, cluster.URL(), nil))
}

// TestTheJournalKeepsWhatALaggingDaemonNeeds: the entries since the snapshot before, and not more.
func TestTheJournalKeepsWhatALaggingDaemonNeeds(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	d := open(t, cluster.URL(), nil)
	before := uint64(0)
	for round := range 4 {
		d.append(fmt.Sprint(round))
		at := d.position()
		if err := d.snapshot(); err != nil {
			t.Fatal(err)
		}
		first, err := d.JournalBegins(t.Context())
		if want := before + 1; err != nil || first != want {
			t.Errorf("the journal begins with entry %d, %v; want %d", first, err, want)
		}
		before = at
	}
}

// TestTheLargestPieceAndEntry come back as they are.
func TestTheLargestPieceAndEntry(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{"600KB", "8MB"} {
		cluster := natstest.Start(t, natstest.Options{Servers: 1, Config: "max_payload: " + payload})
		d := open(t, cluster.URL(), nil)
		large := bytes.Repeat([]byte("x"), d.Limit())
		entry := "entry" + string(large[5:])
		d.append(entry)
		if err := d.Append(t.Context(), append(large, 'x')); !errors.Is(err, ports.ErrTooLarge) {
			t.Errorf("Append of more than Limit = %v, want ErrTooLarge", err)
		}
		left := 3
		next := func() ([]byte, error) {
			if left--; left < 0 {
				return nil, io.EOF
			}
			return large, nil
		}
		if err := d.Snapshot(t.Context(), d.position()-1, next); err != nil {
			t.Fatal(err)
		}
		again := open(t, cluster.URL(), nil)
		if len(again.pieces) != 3 || again.pieces[2] != string(large) || again.count(entry) != 1 {
			t.Errorf("max_payload %s: %d pieces, and the entry %d times", payload, len(again.pieces), again.count(entry))
		}
	}
}

// TestSnapshotsAtTheSameTime: all daemons make snapshots while they append, and daemons that start meanwhile are given it all.
func TestSnapshotsAtTheSameTime(t *testing.T) {
	t.Parallel()
	cluster, daemons := three(t)
	for i := range 200 {
		daemons[i%3].append(fmt.Sprintf("%d %s", i, strings.Repeat("long ", 700)))
	}
	l := begin(t, daemons...)
	var making sync.WaitGroup
	ended := make(chan struct{})
	for i, d := range daemons {
		making.Go(func() {
			for {
				select {
				case <-ended:
					return
				case <-time.After(200 * time.Millisecond): // it takes longer until the journal has grown, otherwise
				}
				if err := d.snapshot(); err != nil {
					t.Errorf("daemon %d: %v", i, err)
				}
			}
		})
	}
	end := sync.OnceFunc(func() {
		close(ended)
		making.Wait()
	})
	t.Cleanup(end)
	late := []*daemon{daemons[0]}
	for range 5 {
		late = append(late, open(t, cluster.URL(), replicas(3)))
	}
	end()
	l.end()
	equal(t, late...)
	if err := daemons[0].snapshot(); err != nil {
		t.Fatal(err)
	}
	there, holds, err := daemons[1].Pieces(t.Context())
	if err != nil || there[holds] < 2 || len(there) > 2 {
		t.Errorf("there are the pieces of %v, %s holds, %v; want those of it and of the one before", there, holds, err)
	}
	equal(t, daemons[0], open(t, cluster.URL(), replicas(3)))
	if all := daemons[0].all(); !slices.Contains(all, "ready") {
		t.Errorf("the first entry is missing of %d", len(all))
	}
}

// TestSnapshotsOfTheSameMoment: several daemons make a snapshot of the same entry again and again. One of each holds, whole.
func TestSnapshotsOfTheSameMoment(t *testing.T) {
	t.Parallel()
	cluster := natstest.Start(t, natstest.Options{Servers: 1})
	daemons := []*daemon{open(t, cluster.URL(), nil), open(t, cluster.URL(), nil), open(t, cluster.URL(), nil)}
	for round := range 20 {
		daemons[0].append(fmt.Sprint(round))
		equal(t, daemons...)
		var making sync.WaitGroup
		for _, d := range daemons {
			making.Go(func() {
				if err := d.snapshot(); err != nil {
					t.Error(err)
				}
			})
		}
		making.Wait()
		equal(t, daemons[0], open(t, cluster.URL(), nil))
	}
}
