package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// streams are what the servers keep for us: the entries, and the bucket of the snapshots and leases.
type streams struct {
	js      jetstream.JetStream
	entries jetstream.Stream
	subject string // of the entries
	bucket  jetstream.Stream
	values  jetstream.KeyValue // of the bucket
	keys    string             // how a key's subject begins
}

// journalSuffix is how the name of the entries' stream ends.
const journalSuffix = "_journal"

// The descriptions of the streams name their format. Those of the format before, which began in the same way, named none.
const (
	product       = "zarafa-presence: "
	formatMark    = ", format "
	currentFormat = formatMark + "2"
)

// openStreams opens what is there and creates what is not. The number of replicas follows the configuration.
func openStreams(ctx context.Context, js jetstream.JetStream, config Config) (*streams, error) {
	s := &streams{js: js, subject: config.Bucket + ".journal", keys: "$KV." + config.Bucket + "."}
	bucket := jetstream.StreamConfig{Storage: jetstream.FileStorage, Replicas: config.Replicas, Discard: jetstream.DiscardNew, DenyDelete: true}
	entries := bucket
	entries.Name, entries.Subjects = config.Bucket+journalSuffix, []string{s.subject}
	entries.Description = product + "the journal's entries" + currentFormat
	bucket.Name, bucket.Subjects = "KV_"+config.Bucket, []string{s.keys + ">"}
	bucket.Description = product + "snapshots and leases" + currentFormat
	bucket.MaxMsgsPerSubject, bucket.AllowRollup = 1, true
	bucket.AllowDirect = false // a reader wants the last word, which only the leader has
	var err error
	if s.bucket, err = openStream(ctx, js, bucket); err != nil {
		return nil, err
	}
	if s.entries, err = openStream(ctx, js, entries); err != nil {
		return nil, err
	}
	if s.values, err = js.KeyValue(ctx, config.Bucket); err != nil {
		return nil, fmt.Errorf("store: cannot open the bucket %s: %w", config.Bucket, err)
	}
	// All servers need a moment to hear of a new stream. What is published here it refuses, because it is for a stream of another name.
	_, err = js.Publish(ctx, s.subject, nil, jetstream.WithExpectStream("none"), jetstream.WithRetryAttempts(0))
	if !errors.As(err, new(*jetstream.APIError)) {
		return nil, fmt.Errorf("store: the journal does not answer: %w", err)
	}
	return s, nil
}

// get returns the value of a key as the bucket's leader has it, and the sequence that replaces it: zeros if there is none.
func (s *streams) get(ctx context.Context, key string) (value []byte, sequence uint64, err error) {
	entry, err := s.values.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, 0, nil
	case err != nil:
		return nil, 0, err
	}
	return entry.Value(), entry.Revision(), nil
}

func openStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, want.Name)
	if err == nil {
		if err := recognise(stream.CachedInfo().Config, want); err != nil {
			return nil, refusal{fmt.Errorf("store: the stream %s %w", want.Name, err)}
		}
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) || err == nil && stream.CachedInfo().Config.Replicas != want.Replicas {
		stream, err = js.CreateOrUpdateStream(ctx, want)
	}
	if err != nil {
		return nil, fmt.Errorf("store: cannot open the stream %s with %d replicas: %w", want.Name, want.Replicas, err)
	}
	return stream, nil
}

// recognise returns an error if a stream that is there is not one that this version has made.
func recognise(have, want jetstream.StreamConfig) error {
	switch {
	case !strings.HasPrefix(have.Description, product) || !slices.Equal(have.Subjects, want.Subjects):
		return errors.New("is somebody else's; set store.bucket to another name")
	case !strings.Contains(have.Description, formatMark):
		return errors.New("has the format of an earlier version; export the presences with that version, " +
			"set store.bucket to another name, and import them")
	case have.Description != want.Description:
		return fmt.Errorf("has the format of another version (%q); use that version", have.Description)
	}
	return nil
}
