package setting_test

import (
	"strings"
	"testing"

	"github.com/zarafa/presence/setting"
)

func TestEntry(t *testing.T) {
	for _, test := range []struct {
		index      int
		name, want string
	}{
		{0, "", "webhooks: entry 1"},
		{1, "crm", "webhooks: entry 2 (crm)"},
		{9, "a\nb\x1b", `webhooks: entry 10 (a\nb\x1b)`},
		{0, strings.Repeat("a", 1000), "webhooks: entry 1 (" + strings.Repeat("a", 60) + ")"},
	} {
		if got := setting.Entry("webhooks", test.index, test.name); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
