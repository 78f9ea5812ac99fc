package nats_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
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
		{"a record of the journal", "record 103 follows record 101", func(t *testing.T, journal, _ string) {
			file := filepath.Join(journal, "msgs", "1.blk")
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			at, size := 0, 0
			for range 102 {
				at += size
				size = int(binary.LittleEndian.Uint32(data[at:]))
			}
			write(t, file, string(data[:at])+string(data[at+size:]))
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

// TestNoDamageGoesUnnoticed: whatever happens to whichever file, the store either has everything, or it refuses to start and leaves the directory as it
// is.
func TestNoDamageGoesUnnoticed(t *testing.T) {
	whole, _, _ := damaged(t)
	s := reopened(t, whole)
	want := image(s)
	stop(t, s)
	harms := []struct {
		name string
		harm func(data []byte) string
	}{
		{"emptied", func([]byte) string { return "" }},
		{"cut in half", func(data []byte) string { return string(data[:len(data)/2]) }},
		{"with a byte more", func(data []byte) string { return string(data) + "x" }},
		{"with a byte less", func(data []byte) string { return string(data[:max(0, len(data)-1)]) }},
		{"with another byte", func(data []byte) string {
			if len(data) > 0 {
				data[len(data)/2] ^= 1
			}
			return string(data)
		}},
		{"deleted", nil},
	}
	for name := range files(t, whole) {
		for _, test := range harms {
			t.Run(filepath.Base(filepath.Dir(name))+"/"+filepath.Base(name)+" "+test.name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "store")
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, strings.TrimPrefix(name, whole))
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if test.harm != nil {
					write(t, file, test.harm(data))
				} else if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
				before := contents(t, dir)
				cfg := nats.DefaultConfig()
				cfg.Dir = dir
				s := nats.New(cfg, slog.New(slog.DiscardHandler))
				if err := s.Start(t.Context()); err != nil {
					if contents(t, dir) != before {
						t.Errorf("the directory was changed, and the error is %v", err)
					}
					return
				}
				if !maps.Equal(image(s), want) {
					t.Errorf("%d users are left of %d", len(image(s)), len(want))
				}
				stop(t, s)
			})
		}
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

// TestPowerFailure: after the machine was started again, a journal whose end is missing is taken as it is, and the log says so. What the engine
// has noted of it may have come to the disk.
func TestPowerFailure(t *testing.T) {
	tests := []struct {
		name        string
		users, left int
		noted, torn bool
		lost        int64 // bytes
	}{
		{"a part of the last record", 200, 199, false, true, 10},
		{"and the engine's note is there", 200, 199, true, true, 10},
		{"of the only record", 1, 0, true, true, 10},
		{"the only record", 1, 0, true, true, 1000},
		{"all records", 200, 0, true, true, 100_000},
		{"and the engine's note", 200, 0, false, false, 100_000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s := reopened(t, dir)
			for i := range test.users {
				set(t, s, numbered(i), web, domain.Busy, "in a meeting")
			}
			stop(t, s)
			messages := filepath.Join(dir, "jetstream", "jetstream", "$G", "streams", "presence_journal", "msgs")
			shorten(t, filepath.Join(messages, "1.blk"), test.lost)
			if !test.noted {
				if err := os.Remove(filepath.Join(messages, "index.db")); err != nil {
					t.Fatal(err)
				}
			}
			write(t, filepath.Join(dir, "boot"), "another run of this machine")
			cfg := nats.DefaultConfig()
			cfg.Dir = dir
			var log bytes.Buffer
			s = nats.New(cfg, slog.New(slog.NewTextHandler(&log, nil)))
			if err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := len(image(s)); n != test.left {
				t.Errorf("%d users are left of %d, want %d", n, test.users, test.left)
			}
			set(t, s, numbered(500), web, domain.Busy, "again")
			stop(t, s)
			if strings.Contains(log.String(), "the end of that is lost") != test.torn {
				t.Errorf("what the log says of a torn record is wrong:\n%s", log.String())
			}
			if again := reopened(t, dir); len(image(again)) != test.left+1 {
				t.Errorf("%d users after one more start, want %d", len(image(again)), test.left+1)
			}
		})
	}
}

// shorten takes bytes from the end of a file, all of them if it has no more.
func shorten(t *testing.T, file string, bytes int64) {
	t.Helper()
	info, err := os.Stat(file)
	if err == nil {
		err = os.Truncate(file, max(0, info.Size()-bytes))
	}
	if err != nil {
		t.Fatal(err)
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
