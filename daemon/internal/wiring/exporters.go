package wiring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"slices"
	"strings"

	"go.uber.org/fx"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/adapters/webhook"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/ports"
)

// Webhook is an entry of the key webhooks.
type Webhook = webhook.Config

// exporting is what runs the exporters, and those that the configuration wants.
type exporting struct {
	fx.Out

	Exporters *app.Exporters
	Webhooks  []*webhook.Exporter
}

func newExporters(s *Settings, core app.Core, feed *app.Feed, leases *app.Leases, groups ports.Groups, log *slog.Logger) (exporting, error) {
	made, err := s.remakeWebhooks(nil, groups, log)
	if err != nil {
		return exporting{}, err
	}
	e := exporting{Exporters: app.NewExporters(core, feed, leases, log), Webhooks: made}
	return e, e.Exporters.Configure(exportersOf(made), s.rules())
}

// remakeWebhooks makes the webhooks that the configuration wants. It takes over those that were made before of the same entries.
func (s *Settings) remakeWebhooks(before []*webhook.Exporter, groups ports.Groups, log *slog.Logger) ([]*webhook.Exporter, error) {
	made := make([]*webhook.Exporter, 0, len(s.General.Webhooks))
	for _, entry := range s.General.Webhooks {
		if i := slices.IndexFunc(before, func(x *webhook.Exporter) bool { return x.MadeOf(entry) }); i >= 0 {
			made = append(made, before[i])
			continue
		}
		x, err := webhook.New(entry, http.AppendUser, groups, log)
		if err != nil {
			return nil, err
		}
		made = append(made, x)
	}
	return made, nil
}

// exportersOf lists the exporters of every kind.
func exportersOf(webhooks []*webhook.Exporter) []ports.Exporter {
	all := make([]ports.Exporter, 0, len(webhooks))
	for _, x := range webhooks {
		all = append(all, x)
	}
	return all
}

// rules is a digest of everything that decides what exporters are given, besides their own settings.
func (s *Settings) rules() uint64 {
	sum := fnv.New64a()
	_, _ = fmt.Fprintf(sum, "%q %q %q", s.General.Precedence, s.General.Visibility, s.Auth.SeeInvisible)
	return sum.Sum64()
}

// WebhookResult is what came back from a webhook's endpoint.
type WebhookResult = webhook.Result

// ValidateWebhook refuses a name that no webhook has, and a webhook of that name whose entry has faults, with a line for each.
func (s *Settings) ValidateWebhook(name string) error {
	names := s.Webhooks()
	i := slices.Index(names, name)
	if i < 0 {
		return fmt.Errorf("webhooks has no entry with the name %q; there are %s", name, cmp.Or(strings.Join(names, ", "), "none"))
	}
	unread := s.Validate(fmt.Sprintf("webhooks[%d]", i)) // its files
	return errors.Join(unread, webhook.ValidateEntry(s.General.Webhooks, i))
}

// TestWebhook sends a message to the webhook of a name, which is a valid one, without a daemon, and returns what came back.
func (s *Settings) TestWebhook(ctx context.Context, name string, log *slog.Logger) WebhookResult {
	x, err := webhook.New(s.General.Webhooks[slices.Index(s.Webhooks(), name)], http.AppendUser, nil, log)
	if err != nil {
		return WebhookResult{Err: err}
	}
	return x.Test(ctx)
}

// Webhooks lists the names of the webhooks.
func (s *Settings) Webhooks() []string {
	names := make([]string, 0, len(s.General.Webhooks))
	for _, entry := range s.General.Webhooks {
		names = append(names, entry.Name)
	}
	return names
}
