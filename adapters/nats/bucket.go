package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// bucket is the stream behind a key-value bucket.
type bucket struct {
	js      jetstream.JetStream
	stream  jetstream.Stream
	subject string // of a key, without the key
}

// openWithin is how long the engine may take to open the bucket.
const openWithin = 30 * time.Second

// openBucket opens the bucket, which it creates if it is not there: also what the configuration says now, if that is another than when it
// was created.
func openBucket(ctx context.Context, js jetstream.JetStream, config Config, engine *embedded) (*bucket, error) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	b := &bucket{js: js, subject: "$KV." + config.Bucket + "."}
	want := jetstream.StreamConfig{
		Name:               "KV_" + config.Bucket,
		Description:        "presences of zarafa-presence",
		Subjects:           []string{b.subject + ">"},
		Storage:            jetstream.FileStorage,
		Replicas:           config.Replicas,
		MaxMsgsPerSubject:  1,
		MaxMsgs:            -1,
		MaxBytes:           -1,
		Discard:            jetstream.DiscardNew,
		DenyDelete:         true,
		AllowRollup:        true,
		AllowDirect:        true,
		AllowMsgTTL:        true,
		AllowAtomicPublish: true,
	}
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, want)
	}
	if err != nil {
		return nil, fmt.Errorf("store: cannot open the bucket %s: %w", config.Bucket, err)
	}
	if have := stream.CachedInfo().Config; have.Replicas != want.Replicas || !have.AllowAtomicPublish || !have.AllowMsgTTL {
		if have.MaxMsgsPerSubject != want.MaxMsgsPerSubject {
			return nil, fmt.Errorf("store: the bucket %s keeps %d values of each key, so it is not one of presences", config.Bucket, have.MaxMsgsPerSubject)
		}
		if stream, err = js.UpdateStream(ctx, want); err != nil {
			return nil, fmt.Errorf("store: cannot change the bucket %s to what the configuration says: %w", config.Bucket, err)
		}
	}
	b.stream = stream
	return b, nil
}
