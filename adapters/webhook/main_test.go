package webhook_test

import (
	"encoding/json"
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/webhook"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/webhooktest"
	"github.com/zarafa/presence/setting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// document is a short document of a user.
func document(dst []byte, id string, state *domain.State) []byte {
	text, _ := json.Marshal(map[string]any{
		"user": id, "status": state.Unified.Status.String(), "message": state.Unified.Message, "activity": state.Unified.Activity.String(),
		"revision": state.Revision, "by": state.Unified.By.String(), "protocols": state.Presences,
	})
	return append(dst, text...)
}

// members has who is in which group.
type members map[domain.UserID][]string

func (m members) Groups(user domain.UserID) []string { return m[user] }

func secret(text string) setting.Secret { return setting.NewSecret(text) }

func config(url string) webhook.Config {
	return webhook.Config{Name: "crm", URL: url, Secret: setting.NewSecret(webhooktest.Secret)}
}

// create makes an exporter that logs nothing.
func create(t testing.TB, c webhook.Config) *webhook.Exporter {
	t.Helper()
	return createLogging(t, c, slog.New(slog.DiscardHandler))
}

func createLogging(t testing.TB, c webhook.Config, log *slog.Logger) *webhook.Exporter {
	t.Helper()
	x, err := webhook.New(c, document, members{"dora@elsewhere.test": {"sales"}}, log)
	if err != nil {
		t.Fatal(err)
	}
	return x
}
