package bolt_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// disk is what a disk may hold when the power fails: what was synced, and of what was written since any sectors.
type disk struct {
	synced  []byte
	pending []written
}

type written struct {
	at   int
	data []byte
}

const sector = 512

// after returns what there may be after a power failure.
func (d *disk) after(r *rand.Rand) []byte {
	file := bytes.Clone(d.synced)
	for _, w := range d.pending {
		for i := 0; i < len(w.data); i += sector {
			if r.IntN(2) == 0 {
				file = place(file, w.at+i, w.data[i:min(i+sector, len(w.data))])
			}
		}
	}
	return file
}

func (d *disk) sync() {
	for _, w := range d.pending {
		d.synced = place(d.synced, w.at, w.data)
	}
	d.pending = nil
}

func place(file []byte, at int, data []byte) []byte {
	if missing := at + len(data) - len(file); missing > 0 {
		file = append(file, make([]byte, missing)...)
	}
	copy(file[at:], data)
	return file
}

var (
	aWrite = regexp.MustCompile(`pwrite64\(\d+, "([^"]*)", (\d+), (\d+)\) += (\d+)$`)
	aSize  = regexp.MustCompile(`ftruncate\(\d+, (\d+)\) += 0$`)
	aSync  = regexp.MustCompile(`(fsync|fdatasync)\(\d+\) += 0$`)
	said   = regexp.MustCompile(` write\(1, "([^"]*)"`)
)

// TestPowerFailure replays what a process has written, cuts it at every moment, and forgets any of what was not synced by then. Everything that was
// acknowledged by then is there, and at most one entry more.
func TestPowerFailure(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	mustStart(t, dir).end(t)
	before, err := os.ReadFile(filepath.Join(dir, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, trace := tracedWith(t, dir, "fdatasync:error=EIO:when=80", "-xx", "-s", "1000000")
	d, kept, r := &disk{synced: before}, 0, rand.New(rand.NewPCG(1, 2))
	for line := range strings.SplitSeq(trace, "\n") {
		if m := aWrite.FindStringSubmatch(line); m != nil {
			data := fromHex(t, m[1])
			at, _ := strconv.Atoi(m[3])
			if length := strconv.Itoa(len(data)); length != m[2] || length != m[4] {
				t.Fatalf("strace shows %s bytes of %s, and %s were written", length, m[2], m[4])
			}
			d.pending = append(d.pending, written{at, data})
		} else if m := aSize.FindStringSubmatch(line); m != nil {
			size, _ := strconv.Atoi(m[1])
			d.pending = append(d.pending, written{size - 1, []byte{0}})
		} else if aSync.MatchString(line) {
			d.sync()
		} else if m := said.FindStringSubmatch(line); m != nil {
			_, _ = fmt.Sscanf(string(fromHex(t, m[1])), "kept %d", &kept)
		} else {
			continue
		}
		startsAfterPowerFailure(t, d.after(r), kept)
	}
	if kept != 39 {
		t.Errorf("%d entries were acknowledged, want 39", kept)
	}
}

func fromHex(t *testing.T, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func startsAfterPowerFailure(t *testing.T, file []byte, kept int) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "journal.db"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustStart(t, dir)
	s.append(t, "more")
	s.end(t)
	given := s.tape.given
	if n := len(given) - 1; n < kept || n > kept+1 {
		t.Fatalf("%d entries are there, and %d were acknowledged", n, kept)
	}
	for i, entry := range given[:len(given)-1] {
		if want := fmt.Sprintf("entry %d: %s", i+1, text(i+1, 100+(i+1)%20*1000)); entry != want {
			t.Fatalf("there is %.50q, want %.50q", entry, want)
		}
	}
}
