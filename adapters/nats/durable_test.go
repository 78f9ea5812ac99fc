package nats_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

var (
	web  = domain.MustProtocol("web")
	chat = domain.MustProtocol("chat")
)

// now is a moment that is not too long ago to be kept, and later with each call.
func now() domain.Timestamp { return domain.Timestamp(time.Now().UnixNano()) }

func numbered(i int) domain.UserID { return domain.UserID(fmt.Sprintf("user%04d@example.test", i)) }

// change writes what becomes of a user's presence.
func change(t *testing.T, s ports.Store, user domain.UserID, protocol domain.Protocol, next func(domain.Presence) domain.Presence) {
	t.Helper()
	old, _ := s.Presences(user).On(protocol)
	if err := s.Apply(t.Context(), []ports.Write{{User: user, Old: old, New: next(old)}}); err != nil {
		t.Fatal(err)
	}
}

func set(t *testing.T, s ports.Store, user domain.UserID, protocol domain.Protocol, status domain.Status, message string) {
	t.Helper()
	change(t, s, user, protocol, func(p domain.Presence) domain.Presence {
		return p.Observe(status, message, domain.ExpiryPolicy{}, now())
	})
}

// image is everything that a store has.
func image(s ports.Store) map[string]domain.Presence {
	all := map[string]domain.Presence{}
	s.Each(func(user domain.UserID, presences domain.Presences) bool {
		for _, p := range presences {
			all[fmt.Sprintf("%s on %s", user, p.Protocol)] = p
		}
		return true
	})
	return all
}

// reopened starts a store on the same directory again.
func reopened(t *testing.T, dir string) *nats.Store {
	t.Helper()
	return start(t, func(c *nats.Config) { c.Dir = dir })
}

// same compares everything, revisions included.
func same(t *testing.T, when string, got, want ports.Store) {
	t.Helper()
	a, b := image(got), image(want)
	if len(b) == 0 || !maps.Equal(a, b) {
		t.Errorf("%s: there is\n%v\nwant\n%v", when, a, b)
	}
}

func stop(t *testing.T, s *nats.Store) {
	t.Helper()
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestSurvivesRestarts writes at random, and after each restart, with and without a snapshot, finds everything as it was.
func TestSurvivesRestarts(t *testing.T) {
	dir := t.TempDir()
	s := reopened(t, dir)
	var last domain.Revision
	for round := range 6 {
		for range 300 {
			user := numbered(rand.IntN(50))
			switch p, _ := s.Presences(user).On(web); rand.IntN(5) {
			case 0:
				change(t, s, user, web, func(p domain.Presence) domain.Presence { return p.Remove(now()) })
			case 1:
				set(t, s, user, web, p.Status, p.Message) // a renewal
			case 2:
				set(t, s, user, chat, domain.Away, "with\nlines\n+of its own")
			default:
				set(t, s, user, web, domain.Status(rand.IntN(4)), fmt.Sprint("message ", rand.IntN(9)))
			}
		}
		switch round {
		case 1, 3, 4:
			if err := s.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		case 2:
			if err := s.WriteChunksOnly(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		stop(t, s)
		again := reopened(t, dir)
		same(t, fmt.Sprint("round ", round), again, s)
		set(t, again, "marker@example.test", web, domain.Busy, fmt.Sprint(round))
		marker, _ := again.Presences("marker@example.test").On(web)
		if marker.Revision <= last {
			t.Errorf("round %d: a change has revision %d, one before had %d", round, marker.Revision, last)
		}
		s, last = again, marker.Revision
	}
	if entries, err := s.JournalEntries(t.Context()); err != nil || entries > 900 {
		t.Errorf("the journal has %d entries after three snapshots (%v), want those since the second", entries, err)
	}
}

// TestManyWritersShareEntries: what comes at the same time is acknowledged to everybody, and there after a restart.
func TestManyWritersShareEntries(t *testing.T) {
	dir := t.TempDir()
	s := reopened(t, dir)
	var writing sync.WaitGroup
	const writers, each = 32, 100
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				set(t, s, numbered(w), web, domain.Status(1+i%3), fmt.Sprint(i))
			}
		})
	}
	writing.Wait()
	entries, err := s.JournalEntries(t.Context())
	if err != nil || entries >= writers*each {
		t.Errorf("%d writes are %d entries (%v): none went together", writers*each, entries, err)
	}
	stop(t, s)
	same(t, "after a restart", reopened(t, dir), s)
}

// TestDirectoryIsRefused: each of these is left as it is, and the message says what is wrong.
func TestDirectoryIsRefused(t *testing.T) {
	tests := []struct {
		name, want string
		prepare    func(t *testing.T, dir string)
	}{
		{"foreign", "holds something else", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "mail.db"), "precious")
		}},
		{"of another format", "format that this version does not know", func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "zarafa-presence-store"), "zarafa-presence store, format 99\n")
		}},
		{"in use", "in use by another", func(t *testing.T, dir string) {
			start(t, func(c *nats.Config) { c.Dir = dir })
		}},
		{"a file", "not a directory", func(t *testing.T, dir string) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "precious")
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := nats.DefaultConfig()
			cfg.Dir = filepath.Join(t.TempDir(), "store")
			if err := os.Mkdir(cfg.Dir, 0o700); err != nil {
				t.Fatal(err)
			}
			test.prepare(t, cfg.Dir)
			before := files(t, cfg.Dir)
			err := nats.New(cfg, slog.New(slog.DiscardHandler)).Start(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Start = %v, want an error that says %q", err, test.want)
			}
			if after := files(t, cfg.Dir); !maps.Equal(before, after) {
				t.Errorf("the directory had %v, now it has %v", before, after)
			}
		})
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files returns the sizes of all files below a path.
func files(t *testing.T, path string) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	err := filepath.WalkDir(path, func(name string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && !entry.IsDir() {
			sizes[name] = info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

// TestWhatNobodyUpdatesIsForgotten: older than store.retain, and no other.
func TestWhatNobodyUpdatesIsForgotten(t *testing.T) {
	dir := t.TempDir()
	s := reopened(t, dir)
	old := now().Add(-31 * 24 * time.Hour)
	change(t, s, numbered(1), web, func(p domain.Presence) domain.Presence { return p.Observe(domain.Busy, "", domain.ExpiryPolicy{}, old) })
	change(t, s, numbered(1), chat, func(p domain.Presence) domain.Presence {
		return p.Observe(domain.Busy, "", domain.ExpiryPolicy{}, old.Add(2*24*time.Hour))
	})
	change(t, s, numbered(2), web, func(p domain.Presence) domain.Presence {
		return p.Observe(domain.Away, "on leave until tomorrow", domain.ExpiryPolicy{}, old).HoldUntil(now().Add(24 * time.Hour))
	})
	stop(t, s)
	again := reopened(t, dir)
	for deadline := time.Now().Add(10 * time.Second); len(again.Presences(numbered(1))) > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there is still %+v", again.Presences(numbered(1)))
		}
	}
	if left := again.Presences(numbered(1)); len(left) != 1 || left[0].Protocol != chat {
		t.Errorf("there is %+v, want only what was updated 29 days ago", left)
	}
	if _, there := again.Presences(numbered(2)).On(web); !there {
		t.Error("what somebody has set until tomorrow has gone already")
	}
}
