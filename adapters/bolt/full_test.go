package bolt_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zarafa/presence/internal/smalldisk"
	"github.com/zarafa/presence/internal/syncbuffer"
	"github.com/zarafa/presence/ports"
)

// fillUp leaves no room on a small disk. It returns what makes room again.
func fillUp(t *testing.T, disk string) (makeRoom func()) {
	t.Helper()
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 64<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("WriteFile = %v, want a full disk", err)
	}
	return func() {
		t.Helper()
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
}

// appendUntilFull appends until there is no room, and returns how many entries were taken.
func appendUntilFull(t *testing.T, s *started, size int) int {
	t.Helper()
	for taken := range 100_000 {
		if err := s.Append(t.Context(), text(taken, size)); err != nil {
			unavailable(t, err)
			return taken
		}
	}
	t.Fatal("a full disk takes 100,000 entries")
	return 0
}

func unavailable(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ports.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("it is refused with %v, want ErrUnavailable and ENOSPC", err)
	}
}

// TestDiskFull: each append is refused until there is room, and then it goes on by itself. Everything that was acknowledged is there, also
// after another start, and nothing that was refused.
func TestDiskFull(t *testing.T) {
	disk := smalldisk.Mount(t, "32m")
	dir := filepath.Join(disk, "store")
	s := mustStart(t, dir)
	for round := range 4 {
		s.append(t, "before")
		makeRoom := fillUp(t, disk)
		appendUntilFull(t, s, 100+round*3000)
		for range 300 {
			unavailable(t, s.Append(t.Context(), text(0, 5000)))
		}
		if round%2 == 0 {
			want := s.tape.all()
			s.end(t)
			if s = mustStart(t, dir); s.tape.all() != want {
				t.Fatal("after a start on a full disk it is not all there")
			}
			unavailable(t, s.Append(t.Context(), text(0, 5000)))
		}
		makeRoom()
		s.append(t, "after")
		want := s.tape.all()
		s.end(t)
		if s = mustStart(t, dir); s.tape.all() != want {
			t.Fatal("after a start with room it is not all there")
		}
	}
}

// TestDiskFullDuringSnapshot: the snapshot before remains, what was written of the new one is removed, and entries are taken again in its place.
func TestDiskFullDuringSnapshot(t *testing.T) {
	disk := smalldisk.Mount(t, "32m")
	dir := filepath.Join(disk, "store")
	s := mustStart(t, dir)
	for i := range 100 {
		s.append(t, string(text(i, 1000)))
	}
	if err := s.Snapshot(t.Context(), 50, give(2, 1000)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		unavailable(t, s.Snapshot(t.Context(), 100, give(100, 1<<20)))
		s.append(t, "there is room for this")
	}
	s.end(t)
	s = mustStart(t, dir)
	if all := s.tape.all(); !strings.HasPrefix(all, "piece 50: ") || strings.Count(all, "piece 50: ") != 2 || len(s.tape.given) != 2+53 {
		t.Errorf("there is %.100q, %d in all", all, len(s.tape.given))
	}
	if err := s.Snapshot(t.Context(), 100, give(10, 1<<20)); err != nil {
		t.Errorf("Snapshot = %v for a smaller one", err)
	}
}

// TestNewOnFullDisk: a new store cannot be made, and the next start makes it.
func TestNewOnFullDisk(t *testing.T) {
	disk := smalldisk.Mount(t, "8m")
	dir := filepath.Join(disk, "store")
	makeRoom := fillUp(t, disk)
	if _, err := start(t, open(t, dir)); !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "store.dir: ") {
		t.Errorf("Follow = %v, want that the disk is full", err)
	}
	makeRoom()
	mustStart(t, dir).append(t, "one")
}

// logged is a log that one goroutine may look at while others write.
type logged = syncbuffer.Buffer
