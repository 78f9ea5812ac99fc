package nats

import (
	"context"
	"errors"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// URL returns where the journal is.
func (j *Journal) URL() string { return j.config.URL }

// JournalBegins returns the number of the first entry that the journal still has.
func (j *Journal) JournalBegins(ctx context.Context) (uint64, error) {
	info, err := j.streams.entries.Info(ctx)
	if err != nil {
		return 0, err
	}
	return info.State.FirstSeq, nil
}

// WritePiecesOnly leaves pieces of a snapshot behind, as a daemon does that is killed.
func (j *Journal) WritePiecesOnly(ctx context.Context, at string, next func() ([]byte, error)) error {
	_, err := j.writePieces(ctx, at+".killed", next)
	return err
}

// Pieces returns how many pieces the bucket has of each snapshot, and the name of the one that holds.
func (j *Journal) Pieces(ctx context.Context) (there map[string]int, holds string, err error) {
	m, err := j.streams.fetchManifest(ctx)
	if err != nil {
		return nil, "", err
	}
	info, err := j.streams.bucket.Info(ctx, jetstream.WithSubjectFilter(j.streams.keys+pieceKeys+">"))
	if err != nil {
		return nil, "", err
	}
	there = map[string]int{}
	for subject := range info.State.Subjects {
		name := strings.TrimPrefix(subject, j.streams.keys+pieceKeys)
		there[name[:strings.LastIndexByte(name, '.')]]++
	}
	return there, m.Name, nil
}

// DeleteStreams takes everything away from under the journal.
func (j *Journal) DeleteStreams(ctx context.Context) error {
	js := j.streams.js
	return errors.Join(js.DeleteStream(ctx, j.config.Bucket+journalSuffix), js.DeleteStream(ctx, "KV_"+j.config.Bucket))
}

// LoseEntries deletes the stream of entries alone, and makes an empty one.
func (j *Journal) LoseEntries(ctx context.Context) error {
	if err := j.streams.js.DeleteStream(ctx, j.config.Bucket+journalSuffix); err != nil {
		return err
	}
	_, err := openStreams(ctx, j.streams.js, j.config)
	return err
}

// Feeder returns the name of the server from which the journal is read, if no other daemon does.
func (j *Journal) Feeder(ctx context.Context) (string, error) {
	consumers := j.streams.entries.ListConsumers(ctx)
	var name string
	for info := range consumers.Info() { // to its end, or it leaves a goroutine
		name = info.Cluster.Leader
	}
	return name, consumers.Err()
}

// CutOff ends the connection for good, without a word to anybody.
func (j *Journal) CutOff() { j.streams.js.Conn().Close() }
