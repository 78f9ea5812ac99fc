package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/zarafa/presence/adapters/bolt"
)

// TestModes: nobody else can read what is kept.
func TestModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "state", "store")
	s := mustStart(t, dir)
	s.append(t, "one")
	for path, want := range map[string]os.FileMode{filepath.Dir(dir): 0o700, dir: 0o700, filepath.Join(dir, "journal.db"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has the mode %v (%v), want %v", path, info.Mode().Perm(), err, want)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("there are %v (%v), want the journal alone", files, err)
	}
}

// TestInspect: what keeps a journal from being opened is said without opening it, in the words of the one that opens it, and nothing is made.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	s := mustStart(t, store)
	if err := bolt.Inspect(store); err != nil { // in use, which is no mistake
		t.Error(err)
	}
	s.end(t)
	other, pipe, file := filepath.Join(dir, "other"), filepath.Join(dir, "pipe"), filepath.Join(dir, "file")
	err := errors.Join(os.MkdirAll(other, 0o700), os.MkdirAll(pipe, 0o700), os.WriteFile(file, nil, 0o600), os.WriteFile(filepath.Join(other, "thesis.txt"), nil, 0o600),
		syscall.Mkfifo(filepath.Join(pipe, "journal.db"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		store:                        "",
		filepath.Join(dir, "a", "b"): "",
		dir:                          dir + " holds something else than a presence store; name another directory, or an empty one",
		other:                        other + " holds something else than a presence store; name another directory, or an empty one",
		file:                         file + " is not a directory",
		pipe:                         pipe + "/journal.db is not a regular file; name another directory, or an empty one",
		filepath.Join(file, "store"): "stat " + file + "/store: not a directory",
	} {
		got := ""
		if err := bolt.Inspect(path); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory was made: %v", err)
	}
}

// TestPipe: a pipe that stands where the journal should be does not hang the start.
func TestPipe(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "journal.db")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := start(t, open(t, dir)); err == nil || err.Error() != "store.dir: "+name+" is not a regular file; name another directory, or an empty one" {
		t.Errorf("Follow = %v", err)
	}
}

// TestLocked: one process uses a directory at a time. The other one is refused with a sentence, and gets it as soon as the first one has ended.
func TestLocked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	first := mustStart(t, dir)
	began := time.Now()
	_, err := start(t, open(t, dir))
	if err == nil || err.Error() != "store.dir: "+dir+" is in use by another zarafa-presence; stop that one first" {
		t.Errorf("Follow = %v, want that the directory is in use", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to say so", took)
	}
	done := make(chan error, 1)
	go func() {
		time.Sleep(200 * time.Millisecond)
		done <- first.stop()
	}()
	mustStart(t, dir).end(t)
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow = %v", err)
	}
}

// TestLockedByBolt: a tool of bbolt that has the file open is waited for, and then named.
func TestLockedByBolt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	mustStart(t, dir).end(t)
	db, err := bbolt.Open(filepath.Join(dir, "journal.db"), 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := start(t, open(t, dir)); err == nil || !strings.Contains(err.Error(), "another program has it open") {
		t.Errorf("Follow = %v, want that another program has the file open", err)
	}
}

// TestLockedByALink: another directory whose file is a link to one that a daemon has is refused before anything is read or written.
func TestLockedByALink(t *testing.T) {
	dir, other := filepath.Join(t.TempDir(), "store"), t.TempDir()
	s := mustStart(t, dir)
	if err := os.Symlink(filepath.Join(dir, "journal.db"), filepath.Join(other, "journal.db")); err != nil {
		t.Fatal(err)
	}
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		for i := range 2000 {
			s.append(t, strings.Repeat("x", i))
		}
	}()
	if _, err := start(t, open(t, other)); err == nil || !strings.Contains(err.Error(), "another program has it open") {
		t.Errorf("Follow = %v, want that another program has the file open", err)
	}
	<-writing
	s.end(t)
	if again := mustStart(t, dir); len(again.tape.given) != 2000 {
		t.Errorf("there are %d entries, want 2000", len(again.tape.given))
	}
}

// TestOtherDirectories: a directory that is not ours is refused with what to do, and left as it is.
func TestOtherDirectories(t *testing.T) {
	const advice = "zarafa-presence export presences.jsonl"
	for name, c := range map[string]struct {
		files []string
		want  string // in the error; empty: it is taken
	}{
		"an earlier version's": {[]string{"zarafa-presence-store", "lock", "boot", "in-use", "jetstream/x/streams/KV_presence/meta.inf"}, advice},
		"its marker alone":     {[]string{"zarafa-presence-store"}, advice},
		"something else":       {[]string{"photo.jpg"}, "holds something else"},
		"a disk's root":        {[]string{"lost+found/x"}, ""},
		"an unfinished start":  {[]string{"journal.db.new"}, ""},
		"empty":                {nil, ""},
	} {
		dir := t.TempDir()
		for _, file := range c.files {
			path := filepath.Join(dir, file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("content"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		s, err := start(t, open(t, dir))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: Follow = %v", name, err)
		case c.want == "":
			s.end(t)
		case err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "store.dir: "+dir):
			t.Errorf("%s: Follow = %v, want %q", name, err, c.want)
		default:
			for _, file := range c.files {
				if content, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(content) != "content" {
					t.Errorf("%s: %s is %q now (%v)", name, file, content, err)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "journal.db")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: there is a journal now", name)
			}
		}
	}
}

// TestOtherFormats: a file of a format that is not known is refused, and is not called damaged.
func TestOtherFormats(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	file := filepath.Join(dir, "journal.db")
	refused := func(format int) {
		t.Helper()
		_, err := start(t, open(t, dir))
		want := fmt.Sprintf("%s is of format %d, and this version of zarafa-presence knows format 2; nothing was changed", file, format)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Follow = %v, want that the format is not known", err)
		}
	}
	mustStart(t, dir).end(t)
	bolt.WriteFormat(t, file, 3)
	refused(3)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	bolt.CreateEarlier(t, file)
	refused(1)
}

// TestDirectory: where presences are kept without store.dir.
func TestDirectory(t *testing.T) {
	t.Setenv("HOME", "/home/markd")
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("STATE_DIRECTORY", "")
	want := func(c bolt.Config, dir string) {
		t.Helper()
		if got, err := c.Directory(); got != dir || err != nil || c.Validate() != nil {
			t.Errorf("Directory = %q, %v, want %q", got, err, dir)
		}
	}
	want(bolt.Config{}, "/home/markd/.local/state/zarafa-presence/store")
	t.Setenv("XDG_STATE_HOME", "/state")
	want(bolt.Config{}, "/state/zarafa-presence/store")
	t.Setenv("STATE_DIRECTORY", "/var/lib/zarafa-presence:/var/lib/other")
	want(bolt.Config{}, "/var/lib/zarafa-presence/store")
	want(bolt.Config{Dir: "/srv/presence"}, "/srv/presence")
	t.Setenv("STATE_DIRECTORY", "")
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	if err := (bolt.Config{}).Validate(); err == nil || !strings.HasPrefix(err.Error(), "store.dir: must be set") {
		t.Errorf("Validate = %v without a home directory", err)
	}
}
