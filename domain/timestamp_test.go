package domain_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

// TestParseTime: what RFC 3339 allows (5.6), and nothing else.
func TestParseTime(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-23T15:00:00Z":             "2026-11-23T15:00:00Z",
		"2026-11-23t15:00:00z":             "2026-11-23T15:00:00Z",
		"2026-11-23t15:00:00.5+01:00":      "2026-11-23T14:00:00.5Z",
		"2026-11-23T15:00:00.123456789Z":   "2026-11-23T15:00:00.123456789Z",
		"2026-11-23T15:00:00.1234567891Z":  "2026-11-23T15:00:00.123456789Z",
		"2026-11-23T15:00:00-23:59":        "2026-11-24T14:59:00Z",
		"2026-11-23T15:00:00-00:00":        "2026-11-23T15:00:00Z",
		"2016-12-31T23:59:60Z":             "2017-01-01T00:00:00Z", // a leap second
		"2016-12-31T15:59:60.25-08:00":     "2017-01-01T00:00:00.25Z",
		"0000-01-01T00:00:00Z":             "0000-01-01T00:00:00Z",
		"2026-11-23T15:00:00,5Z":           "",
		"2026-11-23T15:00:00.Z":            "",
		"2026-11-23T15:00:00+24:00":        "",
		"2026-11-23T15:00:00+01:60":        "",
		"2026-11-23T15:00:00+0100":         "",
		"2026-11-23T15:00:00+01":           "",
		"2026-11-23T15:00:00":              "",
		"2026-11-23T15:00Z":                "",
		"2026-11-23 15:00:00Z":             "",
		"2026-11-23T1:00:00Z":              "",
		"2026-11-23T24:00:00Z":             "",
		"2026-11-23T15:60:00Z":             "",
		"2026-11-23T15:00:61Z":             "",
		"2026-02-29T15:00:00Z":             "",
		"2026-13-01T15:00:00Z":             "",
		"+2026-11-23T15:00:00Z":            "",
		"2026-11-23T15:00:00Z\n":           "",
		" 2026-11-23T15:00:00Z":            "",
		"２０２６-11-23T15:00:00Z":             "",
		"":                                 "",
		"2026-11-23T15:00:00+01:00[Paris]": "",
	} {
		at, err := domain.ParseTime(text)
		if got := at.UTC().Format(time.RFC3339Nano); (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("ParseTime(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
}

// TestParseTimeReadsWhatIsWritten: in every zone, and in lower case.
func TestParseTimeReadsWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", 60*rapid.IntRange(-23*60-59, 23*60+59).Draw(t, "minutes east"))
		at := time.Unix(rapid.Int64Range(0, 9e9).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).In(zone)
		text := at.Format(time.RFC3339Nano)
		if got, err := domain.ParseTime(text); err != nil || !got.Equal(at) {
			t.Fatalf("ParseTime(%q) = %v, %v", text, got, err)
		}
	})
}
