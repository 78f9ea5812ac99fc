package webhook_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/webhooktest"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
)

func TestContract(t *testing.T) {
	portstest.Exporter(t, func(t testing.TB) portstest.ExporterStage {
		receiver := webhooktest.Start(t)
		hurried := func(url string) ports.Exporter {
			x := create(t, config(url))
			x.Hurry()
			return x
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		nobody := "http://" + listener.Addr().String()
		_ = listener.Close()
		return portstest.ExporterStage{
			Exporter:    func(testing.TB) ports.Exporter { return hurried(receiver.URL) },
			Unreachable: func(testing.TB) ports.Exporter { return hurried(nobody) },
			Silent: func(t testing.TB) ports.Exporter {
				silent := webhooktest.Start(t)
				silent.Respond(webhooktest.Hang)
				return hurried(silent.URL)
			},
			Secrets: []string{webhooktest.Secret, webhooktest.Secret[6:]},
			Told: func() (told []domain.State) {
				for _, m := range receiver.Taken() {
					status, _ := domain.ParseStatus(m.Data.Status)
					told = append(told, domain.State{User: domain.UserID(m.Data.User), Revision: domain.Revision(m.Data.Revision), Unified: domain.Unified{Status: status}})
				}
				return told
			},
			Refuse: func(testing.TB) { receiver.Respond(webhooktest.Status(http.StatusInternalServerError)) },
			Accept: func(testing.TB) { receiver.Respond(nil) },
		}
	})
}
