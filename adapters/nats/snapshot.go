package nats

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/ports"
)

// A snapshot is pieces, each under a key of its own, and a manifest, which is written last. So a snapshot that was not finished is none.
const (
	manifestKey = "snapshot"
	pieceKeys   = "piece." // piece.ENTRY.RANDOM.NUMBER
)

const (
	keepWithin  = 30 * time.Second // how long the servers may take to keep a piece, or to remove old ones
	pieceWithin = 10 * time.Second // how long they may take to deliver one
)

// manifest describes the snapshot that holds.
type manifest struct {
	Name   string `json:"name"`   // the pieces' keys are piece.name.1, piece.name.2, ...
	Entry  uint64 `json:"entry"`  // the last one that it stands for
	Before uint64 `json:"before"` // the same of the snapshot before; the journal begins after it
	Pieces int    `json:"pieces"`

	sequence uint64 // of the message that it came with
}

// Snapshot implements ports.Journal. Another daemon may make one at the same time: the later one stays.
func (j *Journal) Snapshot(ctx context.Context, at uint64, next func() ([]byte, error)) error {
	last, err := j.streams.fetchManifest(ctx)
	if err != nil || at <= last.Entry {
		return err
	}
	made := manifest{Name: fmt.Sprintf("%d.%s", at, rand.Text()), Entry: at}
	made.Pieces, err = j.writePieces(ctx, made.Name, next)
	for err == nil && at > last.Entry {
		made.Before = last.Entry
		switch err = j.streams.putManifest(ctx, made, last.sequence); {
		case err == nil:
			if err := j.streams.removeOld(ctx, made, last); err != nil && ctx.Err() == nil {
				j.log.Warn("store: what is older than the snapshots cannot be removed, the next one will try again", "err", err)
			}
			return nil
		case !errors.Is(err, jetstream.ErrKeyRevisionMismatch): // it may be there all the same, so the pieces stay for now
			return fmt.Errorf("store: cannot write the snapshot's manifest: %w", err)
		}
		last, err = j.streams.fetchManifest(ctx)
	}
	_ = j.streams.purgePieces(context.WithoutCancel(ctx), made.Name) // else the next snapshot does it
	return err
}

// writePieces writes what next gives, and returns how many pieces that were.
func (j *Journal) writePieces(ctx context.Context, name string, next func() ([]byte, error)) (pieces int, err error) {
	for {
		piece, err := next()
		if errors.Is(err, io.EOF) {
			return pieces, nil
		}
		if err != nil {
			return 0, err
		}
		if limit := j.Limit(); len(piece) > limit {
			return 0, fmt.Errorf("%w: a piece of %d bytes, and the NATS servers take %d (max_payload)", ports.ErrTooLarge, len(piece), limit)
		}
		pieces++
		keeping, cancel := context.WithTimeout(ctx, keepWithin)
		_, err = j.streams.values.Put(keeping, pieceKey(name, pieces), piece)
		cancel()
		if err != nil {
			return 0, fmt.Errorf("store: cannot write piece %d of the snapshot: %w", pieces, err)
		}
	}
}

// pieceKey returns the key of a piece, or a pattern for those of a whole snapshot if the number is "*".
func pieceKey(name string, number any) string { return fmt.Sprint(pieceKeys, name, ".", number) }

func (s *streams) purgePieces(ctx context.Context, name string) error {
	return s.bucket.Purge(ctx, jetstream.WithPurgeSubject(s.keys+pieceKey(name, "*")))
}

// removeOld removes the pieces of all snapshots up to made, but for made itself and the one before, and also what a daemon left behind
// when it was killed. Whoever is writing one of these will find that it was overtaken. The one before stays, as the entries since then do:
// a daemon that starts may be reading it, and one that was cut off may need them.
func (s *streams) removeOld(ctx context.Context, made, before manifest) error {
	ctx, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	info, err := s.bucket.Info(ctx, jetstream.WithSubjectFilter(s.keys+pieceKeys+">"))
	if err != nil {
		return err
	}
	done := map[string]bool{made.Name: true, before.Name: true}
	for subject := range info.State.Subjects {
		name := strings.TrimPrefix(subject, s.keys+pieceKeys)
		name = name[:max(0, strings.LastIndexByte(name, '.'))]
		entry, _, _ := strings.Cut(name, ".")
		if at, err := strconv.ParseUint(entry, 10, 64); err != nil || at > made.Entry || done[name] {
			continue
		}
		done[name] = true
		if err := s.purgePieces(ctx, name); err != nil {
			return err
		}
	}
	return s.entries.Purge(ctx, jetstream.WithPurgeSequence(made.Before+1))
}

// putManifest replaces the manifest that came with a message: 0 if there has been none.
func (s *streams) putManifest(ctx context.Context, m manifest, sequence uint64) error {
	text, err := json.Marshal(m)
	if err == nil {
		_, err = s.values.Update(ctx, manifestKey, text, sequence)
	}
	return err
}

// fetchManifest returns the manifest of the snapshot that holds: zero if there has been none.
func (s *streams) fetchManifest(ctx context.Context) (m manifest, err error) {
	text, sequence, err := s.get(ctx, manifestKey)
	if err != nil {
		return m, fmt.Errorf("store: cannot read the snapshot's manifest: %w", err)
	}
	if sequence == 0 {
		return m, nil
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, refusal{fmt.Errorf("store: the snapshot's manifest is not one that this version knows: %.80q", text)}
	}
	m.sequence = sequence
	return m, nil
}

// loadSnapshot gives the snapshot, and returns the entry that it stands for: zero if there is none.
func (r *reader) loadSnapshot(ctx context.Context) (at uint64, err error) {
	m, err := r.fetchManifest(ctx)
	if err != nil {
		return 0, err
	}
	if r.snapshot != m.Name {
		r.snapshot, r.oddSince = m.Name, time.Time{}
	}
	if m.Pieces == 0 {
		return m.Entry, nil
	}
	messages, there, err := messagesOf(ctx, r.bucket, r.keys+pieceKey(m.Name, "*"), 1)
	if err != nil {
		return 0, fmt.Errorf("store: cannot read the snapshot: %w", err)
	}
	defer messages.Stop()
	if there != uint64(m.Pieces) { //nolint:gosec // it is not negative
		return 0, r.inconsistent(fmt.Errorf("store: %d of %d pieces of the snapshot are there; restore a backup", there, m.Pieces))
	}
	for number := 1; number <= m.Pieces; number++ {
		piece, err := r.nextPiece(ctx, messages, r.keys+pieceKey(m.Name, number))
		if err != nil {
			return 0, fmt.Errorf("store: cannot read piece %d of %d of the snapshot: %w", number, m.Pieces, err)
		}
		r.dirty = true
		if err := r.to.Piece(m.Entry, piece); err != nil {
			return 0, refusal{err}
		}
		r.progress("store loading the snapshot", "piece", number, "of", m.Pieces)
	}
	return m.Entry, nil
}

// nextPiece waits for a piece. It may never come: other daemons have made the next snapshots, and have removed this one.
func (r *reader) nextPiece(ctx context.Context, messages jetstream.MessagesContext, subject string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, pieceWithin)
	defer cancel()
	msg, err := nextOf(ctx, messages)
	if err != nil {
		return nil, err
	}
	if msg.Subject() != subject {
		return nil, r.inconsistent(fmt.Errorf("%s was delivered instead", msg.Subject()))
	}
	return msg.Data(), nil
}
