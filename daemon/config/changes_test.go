package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/zarafa/presence/setting"
)

// changing has a key of each kind.
type changing struct {
	Text    string            `koanf:"text"`
	Fixed   string            `koanf:"fixed" change:"restart"`
	Secret  setting.Secret    `koanf:"secret"`
	Secrets []setting.Secret  `koanf:"secrets" change:"restart"`
	Roots   setting.Roots     `koanf:"roots"`
	After   time.Duration     `koanf:"after"`
	Map     map[string]string `koanf:"map"`
	Items   []changingItem    `koanf:"items"`

	own int // no key
}

type changingItem struct {
	Name  string        `koanf:"name"`
	Roots setting.Roots `koanf:"roots"`
}

func names(keys []Key) (all []string) {
	for _, key := range keys {
		all = append(all, key.Name)
	}
	return all
}

func TestChanged(t *testing.T) {
	roots := t.TempDir()
	for name, content := range map[string]string{"a.pem": certificateA, "b.pem": certificateB, "secret": "hush\n", "other": "hush\n"} {
		if err := os.WriteFile(filepath.Join(roots, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(roots)
	load := func(text string) (*changing, *Loaded) {
		t.Helper()
		cfg := &changing{own: len(text)}
		loaded, err := Load(Input{File: write(t, "c.yaml", text)}, Section{Name: "x", Config: cfg})
		if err != nil {
			t.Fatal(err)
		}
		return cfg, loaded
	}
	const before = "x: {text: a, fixed: b, secret: hush, secrets: [one, two], roots: a.pem, after: 5m, map: {k: v}, items: [{name: i, roots: a.pem}]}\n"
	for _, test := range []struct {
		now           string
		changed, kept []string
	}{
		{before, nil, nil},
		{"x:\n  {after: 300s, text: a, fixed: b, secret_file: secret, secrets: [one, two], roots: a.pem, map: {k: v}, items: [{name: i, roots: a.pem}]}\n", nil, nil},
		{"x: {text: c, fixed: c, secret: rush, secrets: [one], roots: b.pem, after: 6m, map: {k: w}, items: [{name: i, roots: b.pem}]}\n",
			[]string{"x.text", "x.fixed", "x.secret", "x.secrets", "x.roots", "x.after", "x.map", "x.items"}, []string{"x.fixed", "x.secrets"}},
		{"x: {text: a, fixed: b, secret: hush, secrets: [one, too], after: 5m, map: {l: v}, items: []}\n",
			[]string{"x.secrets", "x.roots", "x.map", "x.items"}, []string{"x.secrets"}},
	} {
		_, was := load(before)
		cfg, now := load(test.now)
		if got := names(now.Changed(was)); !slices.Equal(got, test.changed) {
			t.Errorf("%s: changed are %v, want %v", test.now, got, test.changed)
		}
		if got := names(now.Keep(was)); !slices.Equal(got, test.kept) {
			t.Errorf("%s: kept are %v, want %v", test.now, got, test.kept)
		}
		if cfg.Fixed != "b" || len(cfg.Secrets) != 2 || cfg.Secrets[1].Reveal() != "two" {
			t.Errorf("%s: what only a start can change is %q, %d", test.now, cfg.Fixed, len(cfg.Secrets))
		}
	}
}

const certificateA = `-----BEGIN CERTIFICATE-----
MIIBiTCCAS+gAwIBAgIUXYT9+jd6guTZmMonXaGgoa3J2bcwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOYS5leGFtcGxlLnRlc3QwIBcNMjYxMTI2MDYyMjM1WhgPMjEy
NjExMDIwNjIyMzVaMBkxFzAVBgNVBAMMDmEuZXhhbXBsZS50ZXN0MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEwvCWqbciScjLvsHGB5Fk76S+AANF8ni4gpcdAwh+
T/R6rdC5ib01Vv/sgMaYq7525fu/t4HHCdHJY4dE/CRIQ6NTMFEwHQYDVR0OBBYE
FJggQ3xnf2WZS8cxfSt68ro0yM+RMB8GA1UdIwQYMBaAFJggQ3xnf2WZS8cxfSt6
8ro0yM+RMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgHbKQ95Mi
EPVXAm/dVOYHfBzyCPRE9tsHuO53EWdYax8CIQDOQ+hGaVHfq2HuP7Gc4Zvy5WJX
YbaRn2WG7xENLathIA==
-----END CERTIFICATE-----
`

const certificateB = `-----BEGIN CERTIFICATE-----
MIIBiTCCAS+gAwIBAgIUKdq7EfdViUD769j34AoSscBerCkwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOYi5leGFtcGxlLnRlc3QwIBcNMjYxMTI2MDYyMjM1WhgPMjEy
NjExMDIwNjIyMzVaMBkxFzAVBgNVBAMMDmIuZXhhbXBsZS50ZXN0MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEQVgk7M7BxZfinlIdseVRAW1Jv2Yhqn4eSlRtyiop
wzgQ0wbXm++K16Jvu2WXwGYysoN/VtH3KW+FSFMefdRs/aNTMFEwHQYDVR0OBBYE
FA+Be+bNcz8iZYLMwaUCwA9yFVWCMB8GA1UdIwQYMBaAFA+Be+bNcz8iZYLMwaUC
wA9yFVWCMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgPBu9jauP
2aC3KkeM3QpZ0KATU5wruJkzw04/p1c2lfACIQDT5IOlI8EIGkNmZ7elfXFu3Xf3
/e2yZTd0cH7kFtYN5A==
-----END CERTIFICATE-----
`
