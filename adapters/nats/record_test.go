package nats

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

// userIDs are texts that are users, of every kind.
var userIDs = rapid.StringMatching(`[a-zäöü0-9._+'=-]{1,20}@[a-zé0-9-]{1,20}(\.[a-z]{2,5})?`).Filter(func(text string) bool {
	_, err := domain.ParseUserID(text)
	return err == nil
})

func anyRecord(t *rapid.T, role byte) record {
	user, err := domain.ParseUserID(userIDs.Draw(t, "user"))
	if err != nil {
		t.Fatal(err)
	}
	timestamp := rapid.Custom(func(t *rapid.T) domain.Timestamp { return domain.Timestamp(rapid.Int64().Draw(t, "time")) })
	return record{role: role, user: user, version: rapid.Uint64().Draw(t, "version"), presence: domain.Presence{
		Protocol: domain.MustProtocol(rapid.SampledFrom([]string{"spreed", "xmpp", "a-1"}).Draw(t, "protocol")),
		Status:   rapid.SampledFrom(domain.Statuses()).Draw(t, "status"),
		Message:  domain.ClipMessage(rapid.String().Draw(t, "message")),
		Since:    timestamp.Draw(t, "since"),
		Updated:  timestamp.Draw(t, "updated"),
		Expires:  timestamp.Draw(t, "expires"),
		Revision: domain.Revision(rapid.Uint64().Draw(t, "revision")),
		Stale:    rapid.Bool().Draw(t, "stale"),
	}}
}

func TestRecordMeansOnePresence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyRecord(t, roleKept)
		text := append(appendRecord(nil, &want), "rest"...)
		if size := len(text) - len("rest"); size > want.size() {
			t.Fatalf("%q is %d bytes, and was thought to be %d at most", text, size, want.size())
		}
		got, rest, err := parseRecord(text)
		if err != nil || got != want || string(rest) != "rest" {
			t.Fatalf("%q: %+v, then %q, %v; want %+v", text, got, rest, err, want)
		}
	})
}

func TestEntryMeansItsGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entry := appendHeader(nil, "origin.1")
		var want [][]record
		for range rapid.IntRange(0, 5).Draw(t, "groups") {
			group := []record{anyRecord(t, roleFirst)}
			for range rapid.IntRange(0, 3).Draw(t, "further") {
				group = append(group, anyRecord(t, roleFurther))
			}
			for i := range group {
				entry = appendRecord(entry, &group[i])
			}
			want = append(want, group)
		}
		place := 0
		origin, err := parseEntry(entry, func(first int, records []record) {
			if len(want) == 0 || first != place || len(records) != len(want[0]) {
				t.Fatalf("group of %d records at %d, want %d groups from %d on", len(records), first, len(want), place)
			}
			for i := range records {
				if records[i] != want[0][i] {
					t.Fatalf("record %+v, want %+v", records[i], want[0][i])
				}
			}
			want, place = want[1:], place+len(records)
		})
		if err != nil || origin != "origin.1" || len(want) != 0 {
			t.Fatalf("origin %q, %v; %d groups are missing", origin, err, len(want))
		}
	})
}

func FuzzParseEntry(f *testing.F) {
	f.Add([]byte("zarafa-presence-1 a.1\n+spreed/markd@zarafa.com 0 busy 1700000000000000000 1700000000000000000 1700000120000000000 0 - 12\nin a meeting\n" +
		"&xmpp/markd@zarafa.com 7 gone 1 1 0 0 - 0\n\n+xmpp/a@b 1 away 1 1 0 5 stale 0\n\n"))
	f.Add([]byte("zarafa-presence-2 a.1\n"))
	f.Add([]byte("zarafa-presence-1 \n&spreed/a@b 0 busy 0 0 0 0 - 0\n\n"))
	f.Add([]byte("zarafa-presence-1 \n+spreed/a@b 0 busy 0 0 0 0 - 99999\nx\n"))
	f.Fuzz(func(t *testing.T, entry []byte) {
		var again []byte
		origin, err := parseEntry(entry, func(_ int, records []record) {
			for i := range records {
				again = appendRecord(again, &records[i])
			}
		})
		if err != nil {
			return
		}
		whole := append(appendHeader(nil, origin), again...)
		if _, err := parseEntry(whole, func(int, []record) {}); err != nil {
			t.Errorf("%q was read, and what it says is %q: %v", entry, whole, err)
		}
	})
}
