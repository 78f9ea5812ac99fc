package nats_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/domain"
)

// damaged makes a store with two hundred users, some of them in a snapshot, and returns its directory and where its journal's and its
// bucket's streams are.
func damaged(t *testing.T) (dir, journal, bucket string) {
	t.Helper()
	dir = t.TempDir()
	s := reopened(t, dir)
	for i := range 200 {
		set(t, s, numbered(i), web, domain.Busy, "in a meeting")
		if i == 100 {
			if err := s.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop(t, s)
	streams := filepath.Join(dir, "jetstream", "jetstream", "$G", "streams")
	return dir, filepath.Join(streams, "presence_journal"), filepath.Join(streams, "KV_presence")
}

func overwrite(t *testing.T, file string, at func(size int) int, text string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copy(data[at(len(data)):], text)
	write(t, file, string(data))
}

// TestDamageIsRefused: whatever is wrong with the engine's files is named, and nothing is changed, so that it can be looked into.
func TestDamageIsRefused(t *testing.T) {
	middle := func(size int) int { return size / 2 }
	end := func(size int) int { return size - 20 }
	tests := []struct {
		name, want string
		damage     func(t *testing.T, journal, bucket string)
	}{
		{"the middle of the journal", "1.blk is damaged at byte", func(t *testing.T, journal, _ string) {
			overwrite(t, filepath.Join(journal, "msgs", "1.blk"), middle, "\x00\xff\x00\xff")
		}},
		{"the end of the journal", "1.blk is damaged at byte", func(t *testing.T, journal, _ string) {
			overwrite(t, filepath.Join(journal, "msgs", "1.blk"), end, "\x00\xff\x00\xff")
		}},
		{"the journal's end is missing", "1.blk is damaged at byte", func(t *testing.T, journal, _ string) {
			if err := os.Truncate(filepath.Join(journal, "msgs", "1.blk"), 10_001); err != nil {
				t.Fatal(err)
			}
		}},
		{"a snapshot", "KV_presence", func(t *testing.T, _, bucket string) {
			overwrite(t, filepath.Join(bucket, "msgs", "1.blk"), middle, "\x00\xff\x00\xff")
		}},
		{"a configuration", "meta.inf is damaged", func(t *testing.T, journal, _ string) {
			overwrite(t, filepath.Join(journal, "meta.inf"), middle, "garbage")
		}},
		{"no journal", "the stream *_journal is missing", func(t *testing.T, journal, _ string) {
			if err := os.RemoveAll(journal); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir, journal, bucket := damaged(t)
			test.damage(t, journal, bucket)
			before := contents(t, dir)
			cfg := nats.DefaultConfig()
			cfg.Dir = dir
			err := nats.New(cfg, slog.New(slog.DiscardHandler)).Start(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "restore a backup") {
				t.Errorf("Start = %v, want an error that says %q", err, test.want)
			}
			if contents(t, dir) != before {
				t.Error("the directory was changed")
			}
		})
	}
}

// contents renders all files below a path.
func contents(t *testing.T, path string) string {
	t.Helper()
	var b strings.Builder
	for name := range files(t, path) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %x\n", name, data)
	}
	return sorted(b.String())
}

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestPowerFailure: after the machine was started again, a journal whose end is missing is taken as it is, and the log says so.
func TestPowerFailure(t *testing.T) {
	dir, journal, _ := damaged(t)
	block := filepath.Join(journal, "msgs", "1.blk")
	info, err := os.Stat(block)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(block, info.Size()-10); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(journal, "msgs", "index.db")); err != nil { // it was not written yet, either
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "boot"), "another run of this machine")
	cfg := nats.DefaultConfig()
	cfg.Dir = dir
	var log bytes.Buffer
	s := nats.New(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(image(s)); n != 199 {
		t.Errorf("%d users are left of 200, want all but the last", n)
	}
	set(t, s, numbered(199), web, domain.Busy, "again")
	stop(t, s)
	if !strings.Contains(log.String(), "the end of that is lost") {
		t.Errorf("the log does not say what is lost:\n%s", log.String())
	}
	if again := reopened(t, dir); len(image(again)) != 200 {
		t.Errorf("%d users after one more start, want 200", len(image(again)))
	}
}

// TestKilledWhileWriting: a process that is killed leaves the beginning of a record, up to the end of some page. Nothing was acknowledged
// of it, so the store starts; the next stream is looked at nevertheless.
func TestKilledWhileWriting(t *testing.T) {
	dir, journal, bucket := damaged(t)
	block := filepath.Join(journal, "msgs", "1.blk")
	info, err := os.Stat(block)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(block, info.Size()&^4095); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(journal, "msgs", "index.db")); err != nil { // a killed process does not write it
		t.Fatal(err)
	}
	snapshot, err := os.ReadFile(filepath.Join(bucket, "msgs", "1.blk"))
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, filepath.Join(bucket, "msgs", "1.blk"), func(size int) int { return size / 2 }, "\x00\xff\x00\xff")
	cfg := nats.DefaultConfig()
	cfg.Dir = dir
	if err := nats.New(cfg, slog.New(slog.DiscardHandler)).Start(t.Context()); err == nil || !strings.Contains(err.Error(), "KV_presence") {
		t.Fatalf("Start = %v, want an error that names the other damage", err)
	}
	write(t, filepath.Join(bucket, "msgs", "1.blk"), string(snapshot))
	s := reopened(t, dir)
	left := len(image(s))
	if left < 100 || left > 199 {
		t.Errorf("%d users are left, want those before the cut", left)
	}
	set(t, s, numbered(500), web, domain.Busy, "again")
	stop(t, s)
	if again := reopened(t, dir); len(image(again)) != left+1 {
		t.Errorf("%d users after one more start, want %d", len(image(again)), left+1)
	}
}
