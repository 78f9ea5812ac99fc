package webhook_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/webhook"
	"github.com/zarafa/presence/internal/webhooktest"
	"github.com/zarafa/presence/setting"
)

// A fault names the entry and the key, and contains no secret.
func TestFaultsOfAnEntry(t *testing.T) {
	for _, test := range []struct {
		change func(*webhook.Config)
		want   string
	}{
		{func(c *webhook.Config) { c.Name = "" }, "webhooks: entry 1: name: "},
		{func(c *webhook.Config) { c.Name = "CRM" }, "webhooks: entry 1 (CRM): name: "},
		{func(c *webhook.Config) { c.Name = strings.Repeat("a", 33) }, "name: "},
		{func(c *webhook.Config) { c.URL = "" }, "(crm): url: expected an address"},
		{func(c *webhook.Config) { c.URL = "ftp://crm.example.test" }, "url: "},
		{func(c *webhook.Config) { c.URL = "https:///presence" }, "url: "},
		{func(c *webhook.Config) { c.URL = "crm.example.test/hushhush" }, "url: "},
		{func(c *webhook.Config) { c.URL = "https://anna:hushhush@crm.example.test" }, "url: it must not have a user"},
		{func(c *webhook.Config) { c.URL = "https://crm.example.test/#a" }, "url: "},
		{func(c *webhook.Config) { c.URL = "http://169.254.169.254/" }, "url: 169.254.169.254 is not allowed"},
		{func(c *webhook.Config) { c.URL = "http://[fe80::1]/" }, "url: fe80::1 is not allowed"},
		{func(c *webhook.Config) { c.Secret = setting.Secret{} }, "secret: expected whsec_"},
		{func(c *webhook.Config) { c.Secret = secret("hushhush") }, "secret: "},
		{func(c *webhook.Config) { c.Secret = secret("whsec_hushhush") }, "secret: "},
		{func(c *webhook.Config) { c.Secret = secret("whsec_" + strings.Repeat("A", 28)) }, "secret: "},  // 21 bytes
		{func(c *webhook.Config) { c.Secret = secret("whsec_" + strings.Repeat("A", 88)) }, "secret: "},  // 66 bytes
		{func(c *webhook.Config) { c.Secret = secret("whsec_" + strings.Repeat("-_", 16)) }, "secret: "}, // base64url
		{func(c *webhook.Config) { c.OldSecret = secret("hushhush") }, "old_secret: "},
		{func(c *webhook.Config) { c.OldSecret = c.Secret }, "old_secret: it is the same"},
		{func(c *webhook.Config) { c.Users = []string{"anna"} }, "users: "},
		{func(c *webhook.Config) { c.Groups = []string{""} }, "users: "},
		{func(c *webhook.Config) { c.Events = []string{"status", "presence"} }, "events: "},
	} {
		c := config("https://crm.example.test/presence")
		test.change(&c)
		err := webhook.Validate([]webhook.Config{c})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hushhush") || strings.Contains(err.Error(), webhooktest.Secret[6:]) {
			t.Errorf("%v, want %q", err, test.want)
		}
		if _, err := webhook.New(c, document, members{}, nil); err == nil {
			t.Error("it can be made")
		}
	}
	twice := config("https://crm.example.test/presence")
	if err := webhook.Validate([]webhook.Config{twice, twice}); err == nil || !strings.Contains(err.Error(), "webhooks: entry 2 (crm): two webhooks have this name") {
		t.Errorf("two of one name: %v", err)
	}
	strangers := config("https://crm.example.test/presence")
	strangers.Users = []string{"anna", "bea"}
	if err := webhook.Validate([]webhook.Config{strangers}); err == nil || strings.Count("\n"+err.Error(), "\nwebhooks: entry 1 (crm): users: invalid user ") != 2 {
		t.Errorf("two users who are none: %v", err)
	}
	for _, length := range []int{32, 84} { // 24 and 63 bytes
		good := config("https://10.0.0.1:8443/x?y=z")
		good.Secret, good.Events, good.Users = secret("whsec_"+strings.Repeat("A", length)), []string{"message"}, []string{"*@example.test", "group:x"}
		if err := webhook.Validate([]webhook.Config{good}); err != nil {
			t.Error(err)
		}
	}
}

func TestWarnings(t *testing.T) {
	var all []webhook.Config
	for _, url := range []string{"https://a.example.test", "http://a.example.test", "http://127.0.0.1", "http://localhost:80/", "http://[::1]", "http://10.0.0.1"} {
		all = append(all, config(url))
	}
	if got := fmt.Sprint(webhook.Warnings(all)); strings.Count(got, "without TLS") != 2 || !strings.Contains(got, "webhooks: entry 2 (crm): url") || !strings.Contains(got, "webhooks: entry 6 (crm): url") {
		t.Errorf("the warnings are %s", got)
	}
}

// What decides who is told, and of what, makes other settings; what does not, such as a secret, makes none.
func TestSettings(t *testing.T) {
	settings := func(change func(*webhook.Config)) uint64 {
		c := config("https://crm.example.test/presence")
		c.Users, c.Events = []string{"anna@example.test", "bea@example.test"}, []string{"status", "message"}
		change(&c)
		return create(t, c).Describe().Settings
	}
	all := []uint64{settings(func(*webhook.Config) {})}
	for _, change := range []func(*webhook.Config){
		func(c *webhook.Config) { c.URL += "/x" }, func(c *webhook.Config) { c.Users = c.Users[1:] },
		func(c *webhook.Config) { c.Groups = []string{"sales"} }, func(c *webhook.Config) { c.Events = c.Events[1:] },
	} {
		if other := settings(change); slices.Contains(all, other) {
			t.Errorf("%x are the same settings", other)
		} else {
			all = append(all, other)
		}
	}
	for _, change := range []func(*webhook.Config){
		func(c *webhook.Config) { c.Secret, c.OldSecret = secret(webhooktest.OldSecret), c.Secret },
		func(c *webhook.Config) { slices.Reverse(c.Users) }, func(c *webhook.Config) { slices.Reverse(c.Events) },
	} {
		if settings(change) != all[0] {
			t.Error("there are other settings")
		}
	}
}
