package nats

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

var spreed = domain.MustProtocol("spreed")

func TestKey(t *testing.T) {
	key := string(appendKey(nil, spreed, "markd@zarafa.com"))
	if want := "spreed.markd=40zarafa=2ecom"; key != want {
		t.Errorf("key %q, want %q", key, want)
	}
	for _, bad := range []string{"", ".", "spreed", "spreed.", "Spreed.a=40b", "spreed.a@b", "spreed.a=4", "spreed.a=40=", "spreed.a=zz", "spreed.A=40b",
		"spreed.a=40b.c", "spreed.=61=40b", "spreed.a=40B", "spreed.a=4Ab", "spreed.a"} {
		if _, user, err := parseKey(bad); err == nil {
			t.Errorf("parseKey(%q) = %q, want an error", bad, user)
		}
	}
}

func anyUser(t *rapid.T) domain.UserID {
	user, err := domain.ParseUserID(rapid.StringMatching(`[a-zäöü0-9._+'=-]{1,20}`).Draw(t, "account") + "@" + rapid.StringMatching(`[a-zé0-9-]{1,20}(\.[a-z]{2,5})?`).Draw(t, "host"))
	if err != nil {
		t.Skip(err)
	}
	return user
}

func TestKeyMeansOneUser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := anyUser(t)
		key := string(appendKey(nil, spreed, user))
		protocol, again, err := parseKey(key)
		if err != nil || again != user || protocol != spreed {
			t.Fatalf("%q becomes %q, and that %v %q, %v", user, key, protocol, again, err)
		}
	})
}

func TestRecordMeansOnePresence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := domain.Presence{
			Protocol: spreed,
			Status:   rapid.SampledFrom(domain.Statuses()).Draw(t, "status"),
			Message:  domain.ClipMessage(rapid.String().Draw(t, "message")),
			Since:    domain.Timestamp(rapid.Int64().Draw(t, "since")),
			Updated:  domain.Timestamp(rapid.Int64().Draw(t, "updated")),
			Expires:  domain.Timestamp(rapid.Int64().Draw(t, "expires")),
			Revision: domain.Revision(rapid.Uint64Range(1, 1<<50).Draw(t, "revision")),
			Stale:    rapid.Bool().Draw(t, "stale"),
		}
		change := rapid.Bool().Draw(t, "change")
		sequence := uint64(p.Revision) + rapid.Uint64Range(0, 1<<50).Draw(t, "further")
		got, err := parseRecord(spreed, appendRecord(nil, p, change), sequence)
		want := p
		if change {
			want.Revision = domain.Revision(sequence)
		}
		if err != nil || got != want {
			t.Fatalf("%+v becomes %+v, %v", want, got, err)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte("1 busy 1700000000000000000 1700000000000000000 1700000120000000000 4711 -\nin a meeting"))
	f.Add([]byte("1 available 0 0 0 0 stale\n"))
	f.Add([]byte("2 busy 0 0 0 0 -\n"))
	f.Add([]byte("1 busy 0 0 0 99999999999999999999 -\n"))
	f.Fuzz(func(t *testing.T, record []byte) {
		p, err := parseRecord(spreed, record, 5000)
		if err != nil {
			return
		}
		if again, err := parseRecord(spreed, appendRecord(nil, p, false), 5000); err != nil || again != p {
			t.Errorf("%q is %+v, and that %+v, %v", record, p, again, err)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add("spreed.markd=40zarafa=2ecom")
	f.Add("spreed.a=40b=")
	f.Add("x.=c3=a4@b")
	f.Fuzz(func(t *testing.T, key string) {
		protocol, user, err := parseKey(key)
		if err == nil && string(appendKey(nil, protocol, user)) != key {
			t.Errorf("%q is %v %q, whose key is %q", key, protocol, user, appendKey(nil, protocol, user))
		}
	})
}
