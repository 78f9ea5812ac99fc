package natstest_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/zarafa/presence/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestClusterKeepsWhatItWasGiven: three servers form a cluster, which keeps a message when its leader is killed and restarted.
func TestClusterKeepsWhatItWasGiven(t *testing.T) {
	cluster := natstest.Start(t, natstest.Options{Servers: 3})
	conn, err := nats.Connect(cluster.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "kept", Replicas: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "kept", []byte("text")); err != nil {
		t.Fatal(err)
	}
	killed := cluster.Server(cluster.Leader(t, "kept"))
	killed.Kill()
	killed.Restart(t)
	cluster.Leader(t, "kept")
	// The leader may change once more, and until then nobody answers.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		msg, err := stream.GetMsg(t.Context(), 1)
		if err == nil && string(msg.Data) == "text" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("GetMsg = %+v, %v", msg, err)
		}
	}
}
