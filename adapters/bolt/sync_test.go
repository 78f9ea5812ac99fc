package bolt_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Of each Append bbolt makes two syncs: of the pages, and of the meta page that makes them count.

// traced runs a child under strace until it cannot go on, because a sync fails. It returns what the child says and what strace has seen.
func traced(t *testing.T, dir, inject string) (says, trace string) {
	t.Helper()
	return tracedWith(t, dir, inject, "-s", "12")
}

func tracedWith(t *testing.T, dir, inject string, options ...string) (says, trace string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "trace")
	const calls = "trace=pwrite64,ftruncate,fsync,fdatasync,write"
	cmd := childCommand(t, dir, append([]string{"strace", "-f", "-qq", "-o", log, "-e", calls, "-e", "inject=" + inject}, options...)...)
	output, err := cmd.Output()
	if cmd.ProcessState == nil {
		t.Fatalf("strace cannot be run: %v", err)
	}
	lines, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return string(output), string(lines)
}

// TestSyncedBeforeAppendReturns is seen from outside: a start writes the meta page again and syncs it. Then, for each entry, the pages are written
// and synced, the meta page is written and synced, and only then is the entry acknowledged.
func TestSyncedBeforeAppendReturns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	mustStart(t, dir).end(t)
	_, trace := traced(t, dir, "fdatasync:error=EIO:when=20+")
	var steps strings.Builder
	for line := range strings.SplitSeq(trace, "\n") {
		switch {
		case regexp.MustCompile(`pwrite64\(.*, (0|4096)\)`).MatchString(line):
			steps.WriteString("M")
		case strings.Contains(line, "pwrite64("):
			steps.WriteString("p")
		case strings.Contains(line, "fsync("):
			steps.WriteString("S")
		case strings.Contains(line, "fdatasync(") && !strings.Contains(line, "INJECTED"):
			steps.WriteString("s")
		case strings.Contains(line, `write(1, "kept `):
			steps.WriteString("K")
		}
	}
	if got := regexp.MustCompile(`^MS(S?p+sMsK){9}`).FindString(steps.String()); got == "" {
		t.Errorf("pages (p), the meta page (M), syncs (S, s) and acknowledgements (K) come as %s, want MS, then p...sMsK each time, after an S if the file "+
			"grows:\n%s", &steps, trace)
	}
}

// TestSyncOfPagesFails: the entry is surely not kept, and the next one is taken.
func TestSyncOfPagesFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	mustStart(t, dir).end(t)
	says, trace := traced(t, dir, "fdatasync:error=EIO:when=7") // the first of the fourth entry
	if !strings.Contains(says, "kept 3\nAppend: presences cannot be written now: store.dir: "+dir+": input/output error\n") {
		t.Errorf("the child says:\n%s\nstrace:\n%s", says, trace)
	}
	if s := mustStart(t, dir); len(s.tape.given) != 3 {
		t.Errorf("%d entries are there, want 3", len(s.tape.given))
	}
}

// TestSyncOfMetaFails: nobody knows whether the entry is kept. The journal says so and ends; another start finds out.
func TestSyncOfMetaFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	mustStart(t, dir).end(t)
	says, trace := traced(t, dir, "fdatasync:error=EIO:when=8") // the second of the fourth entry
	const unknown = "nobody knows whether the last write to "
	if !strings.Contains(says, "kept 3\nAppend: store.dir: "+unknown) || !strings.Contains(says, "\nFollow: store.dir: "+unknown) {
		t.Errorf("the child says:\n%s\nstrace:\n%s", says, trace)
	}
	s := mustStart(t, dir)
	if n := len(s.tape.given); n != 3 && n != 4 {
		t.Errorf("%d entries are there, want 3 or 4", n)
	}
	s.append(t, "more")
	want := s.tape.all()
	s.end(t)
	if got := mustStart(t, dir).tape.all(); got != want {
		t.Errorf("there is %q, want %q", got, want)
	}
}

// TestSyncAtStartFails: what was read may not be on the disk, so the start fails. If the disk is full, what is there is served, and nothing is
// written.
func TestSyncAtStartFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	mustStart(t, dir).end(t)
	if says, trace := traced(t, dir, "fsync:error=EIO"); !strings.HasPrefix(says, "Follow: store.dir: sync ") {
		t.Errorf("the child says:\n%s\nstrace:\n%s", says, trace)
	}
	if says, trace := traced(t, dir, "fsync:error=ENOSPC"); !strings.HasPrefix(says, "Append: presences cannot be written now: store.dir: ") {
		t.Errorf("the child says:\n%s\nstrace:\n%s", says, trace)
	}
	if s := mustStart(t, dir); len(s.tape.given) != 0 {
		t.Errorf("%q was given", s.tape.all())
	}
}
