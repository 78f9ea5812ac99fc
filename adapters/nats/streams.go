package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// streams are what the engine keeps for us: the journal, and the bucket of the snapshots.
type streams struct {
	js      jetstream.JetStream
	journal jetstream.Stream
	entries string // the journal's subject
	bucket  jetstream.Stream
	keys    string // how a key's subject begins
}

// journalSuffix is how the name of the journal's stream ends.
const journalSuffix = "_journal"

// openWithin is how long the engine may take to open the streams.
const openWithin = 3 * time.Second

// openStreams opens what is there and creates what is not. The number of replicas follows the configuration.
func openStreams(ctx context.Context, js jetstream.JetStream, config Config) (*streams, error) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	s := &streams{js: js, entries: config.Bucket + ".journal", keys: "$KV." + config.Bucket + "."}
	var err error
	s.bucket, err = openStream(ctx, js, jetstream.StreamConfig{
		Name:              "KV_" + config.Bucket,
		Description:       "zarafa-presence: snapshots of all presences",
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
	s.journal, err = openStream(ctx, js, jetstream.StreamConfig{
		Name:        config.Bucket + journalSuffix,
		Description: "zarafa-presence: changes of presences since the snapshots",
		Subjects:    []string{s.entries},
		Storage:     jetstream.FileStorage,
		Replicas:    config.Replicas,
		Discard:     jetstream.DiscardNew,
		DenyDelete:  true,
	})
	return s, err
}

func openStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		if stream, err = js.CreateStream(ctx, want); err != nil {
			return nil, judge(fmt.Errorf("store: cannot create the stream %s: %w", want.Name, err))
		}
		return stream, nil
	case err != nil:
		return nil, judge(fmt.Errorf("store: cannot open the stream %s: %w", want.Name, err))
	}
	have := stream.CachedInfo().Config
	if have.Description != want.Description || len(have.Subjects) != 1 || have.Subjects[0] != want.Subjects[0] {
		return nil, refusal{fmt.Errorf("store: the stream %s is somebody else's; set store.bucket to another name", want.Name)}
	}
	if have.Replicas != want.Replicas || have.AllowDirect != want.AllowDirect {
		if stream, err = js.UpdateStream(ctx, want); err != nil {
			return nil, judge(fmt.Errorf("store: cannot change the stream %s to %d replicas: %w", want.Name, want.Replicas, err))
		}
	}
	return stream, nil
}
