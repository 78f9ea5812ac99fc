package bolt

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestProgress: every two seconds the log says how far loading is.
func TestProgress(t *testing.T) {
	var log bytes.Buffer
	l := &loader{log: slog.New(slog.NewTextHandler(&log, nil)), said: time.Now().Add(-progressEvery), entries: 7}
	for range 2 {
		left := key(pieceKind, 1, 0) // by an interrupted snapshot
		if err := l.take(left, seal(left, 2, []byte("one"))); err != nil {
			t.Fatal(err)
		}
	}
	if got := log.String(); strings.Count(got, "store loading") != 1 || !strings.Contains(got, "entries=7") {
		t.Errorf("the log says %q, want once that the store is loading", got)
	}
}
