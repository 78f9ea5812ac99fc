package nats_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
)

// hangVariable names the disk on which the process that it is set for lets its engine hang.
const hangVariable = "PRESENCE_TEST_HANG"

// TestEngineHangs: an engine that will never answer again, which is a fault of the engine itself, makes the store fail, so that somebody starts
// the daemon anew. What was acknowledged is there then. As such an engine cannot be ended it runs in a process of its own.
func TestEngineHangs(t *testing.T) {
	if disk := os.Getenv(hangVariable); disk != "" {
		hang(t, disk)
		return
	}
	t.Parallel() // it waits for half a minute
	disk := smallDisk(t, "48m")
	program := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEngineHangs$", "-test.v")
	program.Env = append(os.Environ(), hangVariable+"="+disk)
	output, err := program.CombinedOutput()
	if err == nil || !strings.Contains(string(output), "failed, and has stopped") {
		t.Fatalf("the process ended with %v:\n%s", err, output)
	}
	makeRoom(t, disk)
	again := reopened(t, filepath.Join(disk, "store"))
	defer stop(t, again)
	if p, _ := again.Presences(numbered(1)).On(web); !strings.HasPrefix(p.Message, "the last") {
		t.Errorf("there is %.40q", p.Message)
	}
	awaitWrite(t, again, numbered(1), "after")
}

// journalSize returns how many bytes the journal's files have.
func journalSize(t *testing.T, dir string) (bytes int) {
	t.Helper()
	for name, size := range files(t, dir) {
		if strings.Contains(name, "_journal/msgs/") && strings.HasSuffix(name, ".blk") {
			bytes += int(size)
		}
	}
	return bytes
}

// hang makes the engine hang: there has to be room for a part of what it writes when it shortens the journal.
func hang(t *testing.T, disk string) {
	s := startOn(t, disk, os.Stderr)
	for range 2 {
		set(t, s, numbered(1), web, domain.Busy, "first")
		if err := s.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const page, left = 4096, 10
	write := func(size int) (journal int) {
		awaitWrite(t, s, numbered(1), "the last"+strings.Repeat(".", size))
		return journalSize(t, disk)
	}
	const usual = 1000
	before := write(usual - 1)
	after := write(usual)
	next := after + (after - before)
	if end := write(usual + page - (next+left)%page); end%page != page-left {
		t.Fatalf("the journal has %d bytes", end)
	}
	fillUp(t, disk)
	t.Logf("Snapshot = %v", s.Snapshot(t.Context()))
	select {
	case err := <-s.Failed():
		if err := s.Stop(t.Context()); err == nil {
			t.Error("Stop does not say that the engine hangs")
		}
		t.Fatalf("failed, and has stopped: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the store does not notice that the engine hangs")
	}
}
