package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	doing := "open the stream " + want.Name
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		doing = "create the stream " + want.Name
		stream, err = js.CreateStream(ctx, want)
	}
	if err == nil {
		have := stream.CachedInfo().Config
		if err := recognise(have, want); err != nil {
			return nil, refusal{fmt.Errorf("store: the stream %s %w", want.Name, err)}
		}
		if have.Replicas != want.Replicas {
			doing = fmt.Sprintf("change the stream %s to %d replicas", want.Name, want.Replicas)
			stream, err = js.UpdateStream(ctx, want)
		}
	}
	if err != nil {
		return nil, classify(fmt.Errorf("store: cannot %s: %w", doing, err))
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
