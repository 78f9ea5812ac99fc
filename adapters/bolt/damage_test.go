package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zarafa/presence/ports"
)

// filled makes a store with all that one can have, and returns its file and what it gives: a snapshot, entries after it, long and short ones, and
// what an interrupted snapshot has left.
func filled(t *testing.T) (file []byte, want string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	s := mustStart(t, dir)
	for i := range 300 {
		s.append(t, string(text(i, 50+i%9*400)))
		if i%20 == 0 {
			s.append(t, string(text(i, 20_000)))
		}
	}
	if err := s.Snapshot(t.Context(), 150, give(7, 30_000)); err != nil {
		t.Fatal(err)
	}
	pieces := give(3, 10_000)
	err := s.Snapshot(t.Context(), 200, func() ([]byte, error) {
		piece, err := pieces()
		if err != nil { // from now on nothing can be tidied up
			_ = s.stop()
		}
		return piece, err
	})
	if !errors.Is(err, ports.ErrUnavailable) {
		t.Fatalf("Snapshot = %v, want ErrUnavailable", err)
	}
	s = mustStart(t, dir)
	s.append(t, "the last transaction must not be missing either")
	want = s.tape.all()
	s.end(t)
	if !strings.Contains(want, "piece 150") || !strings.Contains(want, "entry 316") || strings.Contains(want, "piece 200") {
		t.Fatalf("the store is not as it should be: %.100s", want)
	}
	file, err = os.ReadFile(filepath.Join(dir, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	return file[:len(file)/pageSize*pageSize], want
}

const pageSize = 4096

// damages are what can happen to a file, each at a place that is chosen by chance.
var damages = []struct {
	name   string
	damage func(file []byte, r *rand.Rand) []byte
}{
	{"a bit is another one", func(file []byte, r *rand.Rand) []byte {
		file[r.IntN(len(file))] ^= 1 << r.IntN(8)
		return file
	}},
	{"a bit at the beginning of a page is another one", func(file []byte, r *rand.Rand) []byte {
		file[r.IntN(len(file)/pageSize)*pageSize+r.IntN(80)] ^= 1 << r.IntN(8)
		return file
	}},
	{"a bit of a meta page is another one", func(file []byte, r *rand.Rand) []byte {
		file[r.IntN(2)*pageSize+r.IntN(80)] ^= 1 << r.IntN(8)
		return file
	}},
	{"the end is missing", func(file []byte, r *rand.Rand) []byte { return file[:r.IntN(len(file))] }},
	{"a page is zeros", func(file []byte, r *rand.Rand) []byte {
		clear(page(file, r))
		return file
	}},
	{"a page is another one", func(file []byte, r *rand.Rand) []byte {
		copy(page(file, r), page(file, r))
		return file
	}},
	{"a page is anything", func(file []byte, r *rand.Rand) []byte {
		for i, p := 0, page(file, r); i < len(p); i++ {
			p[i] = byte(r.Uint32())
		}
		return file
	}},
}

func page(file []byte, r *rand.Rand) []byte {
	i := r.IntN(len(file)/pageSize) * pageSize
	return file[i : i+pageSize]
}

// TestDamage: a damaged store is refused with a sentence and left as it is, or everything is there, and goes on being there.
func TestDamage(t *testing.T) {
	sound, want := filled(t)
	refused := map[string]int{}
	for seed := range uint64(350) {
		kind := damages[seed%uint64(len(damages))]
		bad := kind.damage(bytes.Clone(sound), rand.New(rand.NewPCG(seed, 1)))
		if isRefused(t, fmt.Sprintf("%s, seed %d", kind.name, seed), bad, want) {
			refused[kind.name]++
		}
	}
	for _, kind := range damages {
		if refused[kind.name] == 0 {
			t.Errorf("%s: not one of 50 was refused", kind.name)
		}
	}
	t.Log(refused)
}

// TestDamagedLengths: bbolt believes what a page says about its length. If it is too short, the rest of the page would be written over later.
func TestDamagedLengths(t *testing.T) {
	sound, want := filled(t)
	refused := 0
	for i := 2; i < len(sound)/pageSize; i += 2 {
		bad := bytes.Clone(sound)
		bad[i*pageSize+12] ^= 1
		if isRefused(t, fmt.Sprintf("the length of page %d", i), bad, want) {
			refused++
		}
	}
	if refused < 20 {
		t.Errorf("%d were refused, want those of all pages that are in use", refused)
	}
}

// isRefused starts with a damaged file, and fails unless it is refused, or everything is there.
func isRefused(t *testing.T, name string, bad []byte, want string) bool {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "journal.db")
	if err := os.WriteFile(file, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := start(t, open(t, dir))
	if err == nil {
		if s.tape.all() != want {
			t.Errorf("%s: it is opened without an error, and gives something else", name)
		}
		survives(t, name, s, dir, want)
		return false
	}
	for _, part := range []string{"store.dir: ", file, "is damaged", "nothing was changed", "restore a backup"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: Follow = %v; it does not say %q", name, err, part)
		}
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, bad) {
		t.Errorf("%s: the file has been changed (%v)", name, err)
	}
	return true
}

// survives fails if a store that was opened loses something later: what it takes for free pages must be free.
func survives(t *testing.T, name string, s *started, dir, want string) {
	t.Helper()
	for i := range 10 {
		entry := string(text(i, i*1000))
		s.append(t, entry)
		want += fmt.Sprintf("\nentry %d: %s", 317+i, entry)
	}
	s.end(t)
	again, err := start(t, open(t, dir))
	if err != nil {
		t.Errorf("%s: after 10 more entries Follow = %v", name, err)
		return
	}
	if again.tape.all() != want {
		t.Errorf("%s: after 10 more entries it gives something else", name)
	}
	again.end(t)
}

// TestNoJournal: what is no file of this package is refused with a sentence.
func TestNoJournal(t *testing.T) {
	for name, content := range map[string][]byte{
		"empty": nil, "short": []byte("x"), "other": bytes.Repeat([]byte("other"), 10_000), "zeros": make([]byte, 1<<20),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "journal.db"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := start(t, open(t, dir)); err == nil || !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("%s: Follow = %v, want that it is damaged", name, err)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "journal.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	var path *fs.PathError
	if _, err := start(t, open(t, dir)); !errors.As(err, &path) || !strings.HasPrefix(err.Error(), "store.dir: ") {
		t.Errorf("Follow = %v, want what is wrong with the path", err)
	}
}

// TestCutWhileRunning: a fault of the mapped memory is an error, which ends Follow and hangs nothing.
func TestCutWhileRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := mustStart(t, dir)
	for i := range 300 {
		s.append(t, string(text(i, 1000)))
	}
	if err := os.Truncate(filepath.Join(dir, "journal.db"), 2*pageSize); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), []byte("more")); err == nil || errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("Append = %v, want an error that is not ErrUnavailable", err)
	}
	if err := s.Append(t.Context(), []byte("more")); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("Append = %v, want ErrUnavailable", err)
	}
	if err := s.Snapshot(t.Context(), 300, give(1, 1)); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("Snapshot = %v, want ErrUnavailable", err)
	}
	if err := s.ended(t); err == nil || !strings.Contains(err.Error(), "bbolt panics") {
		t.Errorf("Follow = %v, want why it cannot go on", err)
	}
}
