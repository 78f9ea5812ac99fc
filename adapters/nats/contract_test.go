package nats_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/zarafa/presence/adapters/nats"
	"github.com/zarafa/presence/internal/natstest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
)

func TestContract(t *testing.T) {
	for _, servers := range []int{1, 3} {
		t.Run(fmt.Sprintf("servers=%d", servers), func(t *testing.T) {
			t.Parallel()
			cluster := natstest.Start(t, natstest.Options{Servers: servers}) // with max_payload as it is by default
			buckets := 0
			portstest.Journal(t, func(testing.TB) portstest.JournalStage {
				buckets++
				cfg := nats.Config{URL: cluster.URL(), Bucket: fmt.Sprint("sentence", buckets), Replicas: servers}
				return portstest.JournalStage{
					Open:     func(t testing.TB) ports.Journal { return nats.New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil))) },
					Survives: true,
					Shared:   true,
				}
			})
		})
	}
}
