package bolt_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFileStaysSmall: what snapshots stand for makes room for what comes, so the file does not grow for ever.
func TestFileStaysSmall(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := mustStart(t, dir)
	var sizes []int64
	entries := uint64(0)
	for range 9 {
		for i := range 200 {
			s.append(t, string(text(i, 200+i%7*4000)))
			entries++
		}
		if err := s.Snapshot(t.Context(), entries, give(5, 200_000)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, "journal.db"))
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, info.Size())
	}
	if sizes[8] > sizes[2] {
		t.Errorf("the file has these sizes, one after each snapshot: %v", sizes)
	}
}

// TestStartIsSure: a start with 300 entries of a megabyte works each time, and does not take long. The log says how large the file is.
func TestStartIsSure(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s, err := startWith(t, open(t, dir), &tape{counts: true, caughtUp: make(chan struct{})})
	if err != nil {
		t.Fatal(err)
	}
	large := string(text(0, 1_000_000))
	for i := range 300 {
		s.append(t, fmt.Sprint(i, large))
	}
	s.end(t)
	for range 20 {
		began := time.Now()
		var log logged
		s, err := startWith(t, openLogging(t, dir, &log), &tape{counts: true, caughtUp: make(chan struct{})})
		if err != nil {
			t.Fatalf("Follow = %v", err)
		}
		if s.tape.count != 300 || s.tape.bytes < 300_000_000 {
			t.Fatalf("%d entries with %d bytes are there", s.tape.count, s.tape.bytes)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("the start took %v", took)
		}
		if !strings.Contains(log.String(), "entries=300 mb=") {
			t.Errorf("the log does not say how large the file is: %s", log.String())
		}
		s.end(t)
	}
}
