package domain_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

func TestStatusNames(t *testing.T) {
	names := map[domain.Status]string{
		domain.Unavailable: "unavailable", domain.Away: "away", domain.Available: "available", domain.Busy: "busy",
	}
	if len(domain.Statuses()) != len(names) {
		t.Fatalf("%d statuses, there are exactly four", len(domain.Statuses()))
	}
	for status, name := range names {
		if status.String() != name {
			t.Errorf("%d is called %q, want %q", status, status, name)
		}
		if got, err := domain.ParseStatus(name); got != status || err != nil {
			t.Errorf("ParseStatus(%q) = %v, %v", name, got, err)
		}
	}
	if got := domain.Status(9).String(); got != "Status(9)" {
		t.Errorf("an impossible status is called %q", got)
	}
}

func TestParseStatusRefusesEverythingElse(t *testing.T) {
	for _, name := range []string{"", "Available", "BUSY", " away", "xa", "dnd", "online", "unavailable\n", "busy\x00"} {
		if _, err := domain.ParseStatus(name); !errors.Is(err, domain.ErrUnknownStatus) {
			t.Errorf("ParseStatus(%q) = %v, want ErrUnknownStatus", name, err)
		}
	}
}

// TestMappings holds the tables of RFC 6121, 4.7.1 and 4.7.2.1 against the four statuses.
func TestMappings(t *testing.T) {
	tests := []struct {
		table domain.StatusMap
		word  string
		want  domain.Status
	}{
		{domain.XMPPShow, "", domain.Available},
		{domain.XMPPShow, "chat", domain.Available},
		{domain.XMPPShow, "away", domain.Away},
		{domain.XMPPShow, "xa", domain.Away},
		{domain.XMPPShow, "dnd", domain.Busy},
		{domain.XMPPShow, "sleeping", domain.Available},
		{domain.XMPPType, "", domain.Available},
		{domain.XMPPType, "unavailable", domain.Unavailable},
		{domain.XMPPType, "error", domain.Unavailable},
		{domain.XMPPType, "unsubscribed", domain.Unavailable},
		{domain.XMPPType, "nonsense", domain.Unavailable},
	}
	for _, test := range tests {
		if got, known := test.table.Status(test.word); got != test.want || known != (test.word != "sleeping" && test.word != "nonsense") {
			t.Errorf("%q maps to %v, want %v", test.word, got, test.want)
		}
	}
}

// anyStatus, anyMessage and so on draw what the property tests work on.
var (
	anyStatus  = rapid.SampledFrom(domain.Statuses())
	anyMessage = rapid.SampledFrom([]string{"", "lunch", "im Gespräch", "電話中"})
	anyMoment  = rapid.Custom(func(t *rapid.T) domain.Timestamp {
		return domain.Timestamp(rapid.Int64Range(1, 1000).Draw(t, "moment"))
	})
)
