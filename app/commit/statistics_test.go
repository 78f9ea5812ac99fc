package commit_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/ports"
)

// TestStatistics: each append is counted by how it ends, and the last one says whether the journal can be written.
func TestStatistics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core := coretest.Start(t)
		synctest.Wait()
		before := core.Writer.Statistics() // of the writer's own entry
		for _, test := range []struct {
			err      error
			writable bool
			want     string
		}{
			{nil, true, "1 0 0"},
			{fmt.Errorf("%w: the disk is full", ports.ErrUnavailable), false, "1 1 0"},
			{ports.ErrTooLarge, false, "1 2 0"}, // which says nothing about others
			{nil, true, "2 2 0"},
			{ports.ErrTooLarge, true, "2 3 0"},
		} {
			core.Journal.Before(1, func() error { return test.err })
			if err := core.Writer.Sync(t.Context()); !errors.Is(err, test.err) {
				t.Fatalf("Sync: %v", err)
			}
			synctest.Wait() // a caller is answered before its entry is counted
			got := core.Writer.Statistics()
			if text := fmt.Sprint(got.Kept-before.Kept, got.Refused, got.Unknown); text != test.want || got.Writable != test.writable {
				t.Errorf("after %v: %s, writable %t; want %s, %t", test.err, text, got.Writable, test.want, test.writable)
			}
		}
		got := core.Writer.Statistics()
		if n := got.Durations.Read().Count; n != got.Kept+got.Refused {
			t.Errorf("%d durations of %+v", n, got)
		}
		if got.Entries != int64(got.Kept) || got.SnapshotsMade != 0 || !got.SnapshotAt.IsZero() || !got.Followed {
			t.Errorf("before a snapshot: %+v", got)
		}
		if err := core.Writer.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got = core.Writer.Statistics(); got.Entries != 0 || got.SnapshotsMade != 1 {
			t.Errorf("after a snapshot: %+v", got)
		}
		if core.Hold(1); core.Writer.Statistics().Followed {
			t.Error("it is followed while it is not")
		}
	})
}
