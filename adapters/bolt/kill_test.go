package bolt_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// childCommand is this test binary as a process that appends entries in a directory. See child. With arguments it is run by that program.
func childCommand(t testing.TB, dir string, by ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	line := append(by, self)
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = t.Output()
	return cmd
}

// TestKill: whatever moment a process is killed at, everything that was acknowledged is there, and at most one entry more.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	kept := 0
	for range 15 {
		cmd := childCommand(t, dir)
		output, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(output)
		for more := 1 + rand.IntN(100); more > 0 && lines.Scan(); more-- {
			note(t, lines.Text(), &kept)
		}
		time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			note(t, lines.Text(), &kept)
		}
		_, _ = io.Copy(io.Discard, output)
		_ = cmd.Wait() // it was killed
		s := mustStart(t, dir)
		given := s.tape.given
		if len(given) < kept || len(given) > kept+1 {
			t.Fatalf("%d entries are there, and %d were acknowledged", len(given), kept)
		}
		for i, entry := range given {
			if want := fmt.Sprintf("entry %d: %s", i+1, text(i+1, 100+(i+1)%20*1000)); entry != want {
				t.Fatalf("there is %.50q, want %.50q", entry, want)
			}
		}
		kept = len(given)
		s.end(t)
	}
}

// note takes a line of a child.
func note(t *testing.T, line string, kept *int) {
	t.Helper()
	var number int
	if _, err := fmt.Sscanf(line, "kept %d", &number); err != nil || number < *kept+1 || number > *kept+2 {
		if strings.HasPrefix(line, "kept") && err != nil {
			return // the last line, cut by the end
		}
		t.Fatalf("the child says %q after entry %d", line, *kept)
	}
	*kept = number
}
