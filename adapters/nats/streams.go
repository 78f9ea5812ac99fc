package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// streams are what the servers keep for us: the entries, and the bucket of the snapshots and leases.
type streams struct {
	js      jetstream.JetStream
	entries jetstream.Stream
	subject string // of the entries
	bucket  jetstream.Stream
	keys    string // how a key's subject begins
}

// journalSuffix is how the name of the entries' stream ends.
const journalSuffix = "_journal"

// The descriptions of the streams name their format. Those of the format before, which began in the same way, named none.
const (
	product       = "zarafa-presence: "
	formatMark    = ", format "
	currentFormat = formatMark + "2"
)

// openWithin is how long the servers may take to open the streams.
const openWithin = 3 * time.Second

// openStreams opens what is there and creates what is not. The number of replicas follows the configuration.
func openStreams(ctx context.Context, js jetstream.JetStream, config Config) (*streams, error) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	s := &streams{js: js, subject: config.Bucket + ".journal", keys: "$KV." + config.Bucket + "."}
	var err error
	s.bucket, err = openStream(ctx, js, jetstream.StreamConfig{
		Name:              "KV_" + config.Bucket,
		Description:       product + "snapshots and leases" + currentFormat,
		Subjects:          []string{s.keys + ">"},
		Storage:           jetstream.FileStorage,
		Replicas:          config.Replicas,
		MaxMsgsPerSubject: 1,
		Discard:           jetstream.DiscardNew,
		DenyDelete:        true,
		AllowRollup:       true,
		AllowDirect:       false, // a reader wants the last word, which only the leader has
	})
	if err != nil {
		return nil, err
	}
	s.entries, err = openStream(ctx, js, jetstream.StreamConfig{
		Name:        config.Bucket + journalSuffix,
		Description: product + "the journal's entries" + currentFormat,
		Subjects:    []string{s.subject},
		Storage:     jetstream.FileStorage,
		Replicas:    config.Replicas,
		Discard:     jetstream.DiscardNew,
		DenyDelete:  true,
	})
	if err != nil {
		return nil, err
	}
	return s, s.answers(ctx)
}

// answers checks that the stream of entries can be written: all servers need a moment to hear of a new one. What is published here the stream
// refuses, because it is for a stream of another name.
func (s *streams) answers(ctx context.Context) error {
	_, err := s.js.Publish(ctx, s.subject, nil, jetstream.WithExpectStream("none"), jetstream.WithRetryAttempts(0))
	if errors.As(err, new(*jetstream.APIError)) {
		return nil
	}
	return fmt.Errorf("store: the journal does not answer: %w", err)
}

func openStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		if stream, err = js.CreateStream(ctx, want); err != nil {
			return nil, classify(fmt.Errorf("store: cannot create the stream %s: %w", want.Name, err))
		}
		return stream, nil
	case err != nil:
		return nil, classify(fmt.Errorf("store: cannot open the stream %s: %w", want.Name, err))
	}
	have := stream.CachedInfo().Config
	switch ours := strings.HasPrefix(have.Description, product) && len(have.Subjects) == 1 && have.Subjects[0] == want.Subjects[0]; {
	case !ours:
		return nil, refusal{fmt.Errorf("store: the stream %s is somebody else's; set store.bucket to another name", want.Name)}
	case !strings.Contains(have.Description, formatMark):
		return nil, refusal{fmt.Errorf("store: the stream %s has the format of an earlier version; export the presences with that version, "+
			"set store.bucket to another name, and import them", want.Name)}
	case have.Description != want.Description:
		return nil, refusal{fmt.Errorf("store: the stream %s has the format of another version (%q); use that version", want.Name, have.Description)}
	}
	if have.Replicas != want.Replicas {
		if stream, err = js.UpdateStream(ctx, want); err != nil {
			return nil, classify(fmt.Errorf("store: cannot change the stream %s to %d replicas: %w", want.Name, want.Replicas, err))
		}
	}
	return stream, nil
}
