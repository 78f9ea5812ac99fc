package nats_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// smallDisk returns a directory on a file system of its own with room for so many bytes. That takes root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("a small file system cannot be mounted, which takes root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// ballast is the file that takes away the room of a small disk.
func ballast(disk string) string { return filepath.Join(disk, "ballast") }

// fillUp leaves no room on a small disk.
func fillUp(t *testing.T, disk string) {
	t.Helper()
	if err := os.WriteFile(ballast(disk), make([]byte, 128<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("WriteFile = %v, want a full disk", err)
	}
}

// makeRoom removes the ballast.
func makeRoom(t *testing.T, disk string) {
	t.Helper()
	if err := os.Remove(ballast(disk)); err != nil {
		t.Fatal(err)
	}
}

// startOn starts a store on a small disk.
func startOn(t *testing.T, disk string, log io.Writer) *nats.Store {
	t.Helper()
	return startLogging(t, slog.NewTextHandler(log, nil), func(c *nats.Config) { c.Dir = filepath.Join(disk, "store") })
}

// logged is a log that one goroutine may look at while others write.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestDiskFull: writes are refused, and reads go on. When there is room again writes are taken, and after a restart everything that was
// acknowledged is there, and nothing that was refused.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, "96m")
	write(t, ballast(disk), strings.Repeat("x", 84<<20))
	var log logged
	s := startOn(t, disk, &log)
	acknowledged := map[domain.UserID]string{}
	put := func(i int) error {
		user, message := numbered(i%40), strings.Repeat("x", 4000)+time.Now().String()
		old, _ := s.Presences(user).On(web)
		err := s.Apply(t.Context(), []ports.Write{{User: user, Old: old, New: old.Observe(domain.Busy, message, domain.ExpiryPolicy{}, now())}})
		if err == nil {
			acknowledged[user] = message
		}
		return err
	}
	var refused error
	for i := 0; refused == nil; i++ {
		if i == 100_000 {
			t.Fatal("400 MB are on a disk of 96")
		}
		refused = put(i)
	}
	if !errors.Is(refused, ports.ErrUnavailable) {
		t.Errorf("Apply = %v, want ErrUnavailable", refused)
	}
	if !strings.Contains(log.String(), "store degraded") {
		t.Errorf("the log does not say that the disk is full:\n%.2000s", log.String())
	}
	for user, message := range acknowledged {
		if p, _ := s.Presences(user).On(web); p.Message != message {
			t.Fatalf("%s is not as it was acknowledged", user)
		}
	}
	makeRoom(t, disk)
	for deadline := time.Now().Add(30 * time.Second); put(1) != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no write is taken although there is room:\n%.4000s", log.String())
		}
	}
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(log.String(), "can be written again"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say that there is room:\n%.4000s", log.String())
		}
	}
	stop(t, s)
	again := reopened(t, filepath.Join(disk, "store"))
	for user, message := range acknowledged {
		if p, _ := again.Presences(user).On(web); p.Message != message {
			t.Errorf("%s is not as it was acknowledged", user)
		}
	}
	if n := len(image(again)); n != len(acknowledged) {
		t.Errorf("%d users, want %d", n, len(acknowledged))
	}
	stop(t, again)
}

// TestStartOnAFullDisk: after the machine has started anew, too, what is stored can be read, and as soon as there is room it can be written.
func TestStartOnAFullDisk(t *testing.T) {
	disk := smallDisk(t, "96m")
	dir := filepath.Join(disk, "store")
	s := startOn(t, disk, t.Output())
	set(t, s, numbered(1), web, domain.Busy, "before")
	stop(t, s)
	boot := filepath.Join(dir, "boot")
	write(t, boot, "another run")
	for name := range files(t, dir) { // such a start removes them, which would leave room
		if filepath.Base(name) == "index.db" {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	fillUp(t, disk)
	full := startOn(t, disk, t.Output())
	if p, _ := full.Presences(numbered(1)).On(web); p.Message != "before" {
		t.Errorf("there is %+v", p)
	}
	if err := full.Apply(t.Context(), say(full, numbered(1), strings.Repeat("x", 4000))); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("Apply = %v, want ErrUnavailable", err)
	}
	if note, err := os.ReadFile(boot); err != nil || string(note) != "another run" {
		t.Errorf("the note of the machine's run is %q (%v), want it as it was", note, err)
	}
	makeRoom(t, disk)
	awaitWrite(t, full, numbered(1), "after")
	stop(t, full)
}

// TestDiskFullAgainAndAgain: after each time, whether the daemon goes on or is started again, everything is there, and what comes can be written.
func TestDiskFullAgainAndAgain(t *testing.T) {
	disk := smallDisk(t, "96m")
	s := startOn(t, disk, t.Output())
	for round := range 6 {
		awaitWrite(t, s, numbered(round), "before")
		fillUp(t, disk)
		full := false
		for i := 0; i < 100 && !full; i++ {
			full = s.Apply(t.Context(), say(s, numbered(i%5), strings.Repeat("x", 1000+round*700))) != nil
		}
		if !full {
			t.Fatal("a full disk takes 100 writes")
		}
		if round%2 == 0 {
			stop(t, s)
			again := startOn(t, disk, t.Output())
			same(t, "on a full disk", again, s)
			s = again
		}
		makeRoom(t, disk)
		awaitWrite(t, s, numbered(round), "after")
		stop(t, s)
		again := startOn(t, disk, t.Output())
		same(t, "with room", again, s)
		s = again
	}
	stop(t, s)
}
