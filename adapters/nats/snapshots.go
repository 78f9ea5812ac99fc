package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/adapters/internal/replica"
	"github.com/zarafa/presence/domain"
)

// A snapshot is the whole image at one entry of the journal: chunks of records, each under a key of its own, and a manifest, which is
// written last. So a snapshot that was not finished is none.
const (
	manifestKey    = "snapshot"
	snapshotFormat = 1

	// chunkSize is how large a chunk becomes, about, in bytes.
	chunkSize = 256 << 10

	// recordSize is about what a record takes without its message, in bytes.
	recordSize = 130

	// minGrowth is how much the journal grows at least between two snapshots, in bytes. It grows also as much as the last snapshot has.
	minGrowth = 16 << 20

	// snapshotWithin is how long the engine may take to store one chunk.
	snapshotWithin = 30 * time.Second
)

// manifest describes the snapshot that holds.
type manifest struct {
	Format    int    `json:"format"`
	Name      string `json:"name"`      // the chunks' keys are name.1, name.2, ...
	Entry     uint64 `json:"entry"`     // the last one of the journal that is in it
	Before    uint64 `json:"before"`    // the same of the snapshot before; the journal begins after it
	Chunks    int    `json:"chunks"`    //
	Presences int    `json:"presences"` //
	Bytes     int64  `json:"bytes"`     //

	version uint64 // number of the message that it came with
}

// snapshots keeps the snapshot up to date, so that neither the journal nor the time to load it grows without end.
type snapshots struct {
	store   *Store
	held    manifest // belongs to load, then to run
	tried   string   // name of the last one that load has tried
	growth  atomic.Int64
	limit   atomic.Int64
	due     chan struct{} // holds one token when the journal has grown enough
	counted atomic.Int64  // presences loaded
}

func newSnapshots(s *Store) *snapshots {
	snaps := &snapshots{store: s, due: make(chan struct{}, 1)}
	snaps.limit.Store(minGrowth)
	return snaps
}

// grown notes that the journal has grown.
func (s *snapshots) grown(bytes int) {
	if s.growth.Add(int64(bytes)) < s.limit.Load() {
		return
	}
	select {
	case s.due <- struct{}{}:
	default:
	}
}

// run makes snapshots when they are due, until ctx ends.
func (s *snapshots) run(ctx context.Context) {
	for {
		select {
		case <-s.due:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		err := s.make(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errOvertaken):
			s.store.log.Debug("another daemon has made the snapshot")
		case err != nil:
			s.store.log.Warn("store: no snapshot could be made, will try again when the journal has grown further", "err", err)
		default:
			s.store.log.Debug("snapshot made", "presences", s.held.Presences, "bytes", s.held.Bytes, "took", time.Since(began).Round(time.Millisecond))
		}
		s.growth.Store(0)
		s.limit.Store(max(minGrowth, s.held.Bytes))
	}
}

// errOvertaken says that another daemon of the cluster has made a snapshot meanwhile.
var errOvertaken = errors.New("there is a later snapshot")

// make makes a snapshot, and then lets the journal begin after the one before: a daemon that lags behind may need what lies between.
func (s *snapshots) make(ctx context.Context) error {
	last, err := s.fetchManifest(ctx)
	if err != nil {
		return err
	}
	s.store.Lock()
	next := manifest{Format: snapshotFormat, Entry: s.store.reached, Before: last.Entry}
	image := s.store.Collect()
	s.store.Unlock()
	next.Name = s.store.writer.node + "-" + strconv.FormatUint(next.Entry, 10)
	if next.Entry <= last.Entry {
		s.held = last
		return errOvertaken
	}
	if err := s.write(ctx, &next, image); err != nil {
		_ = s.purge(ctx, next.Name)
		return err
	}
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	_, err = s.store.streams.js.Publish(ctx, s.store.streams.keys+manifestKey, text, jetstream.WithExpectLastSequencePerSubject(last.version))
	if err != nil {
		if overtaken(err) {
			_ = s.purge(ctx, next.Name)
			return errOvertaken
		}
		return fmt.Errorf("write the manifest: %w", err) // it may be there all the same, so the chunks stay: the next snapshot sweeps
	}
	s.held = next
	if err := s.sweep(ctx, next, last); err != nil {
		return fmt.Errorf("remove earlier snapshots: %w", err)
	}
	if err := s.store.streams.journal.Purge(ctx, jetstream.WithPurgeSequence(next.Before+1)); err != nil {
		return fmt.Errorf("shorten the journal: %w", err)
	}
	return nil
}

// sweep removes the chunks of all snapshots of the same entry as the one that holds, or of an earlier one: also those that a daemon left
// behind when it was killed. Whoever is making one of these will find that it was overtaken; one that is made on top of this is later.
// The one before stays, as the journal since then does: a daemon that starts may be reading it.
func (s *snapshots) sweep(ctx context.Context, holds, before manifest) error {
	info, err := s.store.streams.bucket.Info(ctx, jetstream.WithSubjectFilter(s.store.streams.keys+"*.*"))
	if err != nil {
		return err
	}
	swept := map[string]bool{holds.Name: true, before.Name: true}
	for subject := range info.State.Subjects {
		name, _, _ := strings.Cut(strings.TrimPrefix(subject, s.store.streams.keys), ".")
		entry, err := strconv.ParseUint(name[strings.LastIndexByte(name, '-')+1:], 10, 64)
		if err != nil || entry > holds.Entry || swept[name] || !strings.Contains(name, "-") {
			continue // not a chunk, for one
		}
		swept[name] = true
		if err := s.purge(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// purge removes a snapshot's chunks.
func (s *snapshots) purge(ctx context.Context, name string) error {
	return s.store.streams.bucket.Purge(ctx, jetstream.WithPurgeSubject(s.store.streams.keys+name+".*"))
}

// write stores the chunks of an image.
func (s *snapshots) write(ctx context.Context, m *manifest, image []replica.Held) error {
	chunk := make([]byte, 0, chunkSize+16<<10)
	flush := func() error {
		m.Chunks++
		m.Bytes += int64(len(chunk))
		ctx, cancel := context.WithTimeout(ctx, snapshotWithin)
		defer cancel()
		if _, err := s.store.streams.js.Publish(ctx, s.chunk(m.Name, m.Chunks), chunk); err != nil {
			return fmt.Errorf("write chunk %d: %w", m.Chunks, err)
		}
		chunk = chunk[:0]
		return nil
	}
	for i := range image {
		image[i].Each(func(user domain.UserID, p domain.Presence, version uint64) {
			chunk = appendRecord(chunk, &record{role: roleKept, user: user, presence: p, version: version})
			m.Presences++
		})
		if len(chunk) >= chunkSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(chunk) > 0 {
		return flush()
	}
	return nil
}

// chunk returns the subject of a chunk.
func (s *snapshots) chunk(name string, number int) string {
	return s.store.streams.keys + name + "." + strconv.Itoa(number)
}

// fetchManifest returns the manifest of the last snapshot: zero if there has been none.
func (s *snapshots) fetchManifest(ctx context.Context) (manifest, error) {
	var m manifest
	msg, err := s.store.streams.bucket.GetLastMsgForSubject(ctx, s.store.streams.keys+manifestKey)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return m, nil
	case err != nil:
		return m, fmt.Errorf("store: cannot read the snapshot's manifest: %w", err)
	}
	if err := json.Unmarshal(msg.Data, &m); err != nil || m.Format != snapshotFormat {
		return m, refusal{fmt.Errorf("store: the snapshot's manifest is not one that this version knows: %.80q", msg.Data)}
	}
	m.version = msg.Sequence
	return m, nil
}

// load takes the last snapshot into the image, and returns the entry that it is of: zero if there is no snapshot.
func (s *snapshots) load(ctx context.Context) (entry uint64, err error) {
	m, err := s.fetchManifest(ctx)
	s.tried = m.Name
	if err != nil || m.Chunks == 0 {
		s.held = m
		return m.Entry, err
	}
	said := time.Now()
	for number := 1; number <= m.Chunks; number++ {
		msg, err := s.store.streams.bucket.GetLastMsgForSubject(ctx, s.chunk(m.Name, number))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			err = fmt.Errorf("%w: %w", errMissing, err) // or another daemon has made the next snapshot
		}
		if err != nil {
			return 0, fmt.Errorf("store: cannot read chunk %d of %d of the snapshot: %w", number, m.Chunks, err)
		}
		if err := s.take(msg.Data); err != nil {
			return 0, refusal{fmt.Errorf("store: chunk %d of %d of the snapshot: %w", number, m.Chunks, err)}
		}
		if time.Since(said) >= 2*time.Second {
			said = time.Now()
			s.store.log.Info("store loading the snapshot", "presences", s.counted.Load(), "of", m.Presences)
		}
	}
	if n := s.counted.Load(); n != int64(m.Presences) {
		return 0, refusal{fmt.Errorf("store: the snapshot has %d presences, its manifest says %d", n, m.Presences)}
	}
	s.held = m
	s.limit.Store(max(minGrowth, m.Bytes))
	return m.Entry, nil
}

// take takes a chunk into the image.
func (s *snapshots) take(chunk []byte) error {
	s.store.Lock()
	defer s.store.Unlock()
	for rest := bytes.Clone(chunk); len(rest) > 0; {
		var r record
		var err error
		if r, rest, err = parseRecord(rest); err != nil {
			return err
		}
		if r.role != roleKept || r.presence.Removed || r.version == 0 || r.presence.Revision == 0 {
			return fmt.Errorf("%w in a snapshot: %s on %s", errRecord, r.user, r.presence.Protocol)
		}
		s.store.PutVersion(r.user, r.presence, r.version)
		s.counted.Add(1)
	}
	return nil
}
