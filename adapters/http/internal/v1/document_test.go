package v1

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/adapters/http/internal/respond"
	"github.com/zarafa/presence/domain"
)

// timeText is what the documents say of a moment.
func timeText(t domain.Timestamp) any {
	if t.IsZero() {
		return nil
	}
	return t.Time().Format("2006-01-02T15:04:05.000Z07:00")
}

func texts() *rapid.Generator[string] {
	special := []rune{'"', '\\', '/', '\n', 0, 0x7f, 'é', '\u2028', '\ufffd', '😀', 'a', '@', ' ', '<'}
	return rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.SampledFrom(special), 0, 20).Draw(t, "text"))
	})
}

func times() *rapid.Generator[domain.Timestamp] {
	return rapid.Map(rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, 2e18), rapid.SampledFrom([]int64{0, 1, -1, 999_999, 1e6, 1<<63 - 1, -1 << 63})),
		func(n int64) domain.Timestamp { return domain.Timestamp(n) })
}

// drawState draws what is known of a user, and what its document has to say.
func drawState(t *rapid.T) (id string, state domain.State, want map[string]any) {
	id = texts().Draw(t, "id")
	state.Revision = domain.Revision(rapid.Uint64Range(0, MaxRevision).Draw(t, "revision"))
	state.DisplayName = texts().Draw(t, "display name")
	state.Invisible = rapid.Bool().Draw(t, "invisible")
	protocols := map[string]any{}
	for _, name := range []string{"irc", "manual", "spreed", "xmpp"} {
		if !rapid.Bool().Draw(t, name) {
			continue
		}
		p := domain.Presence{
			Protocol: domain.MustProtocol(name), Status: rapid.SampledFrom(domain.Statuses()).Draw(t, "status"), Message: texts().Draw(t, "message"),
			Since: times().Draw(t, "since"), Updated: times().Draw(t, "updated"), Expires: times().Draw(t, "expires"), Stale: rapid.Bool().Draw(t, "stale"),
			IdleSince: times().Draw(t, "idle"), Activity: rapid.SampledFrom([]domain.Activity{domain.NoActivity, domain.Meeting, domain.OnThePhone}).Draw(t, "activity"),
		}
		state.Presences = append(state.Presences, p)
		protocols[name] = map[string]any{
			"status": p.Status.String(), "message": p.Message, "activity": orNil(p.Activity.String()), "since": timeText(p.Since), "idle_since": timeText(p.IdleSince), "updated": timeText(p.Updated), "expires": timeText(p.Expires), "stale": p.Stale,
		}
	}
	unified := preferred.Unify(state.Presences)
	state.Unified = unified
	want = map[string]any{
		"user": id, "status": unified.Status.String(), "message": unified.Message, "activity": orNil(unified.Activity.String()),
		"by": orNil(unified.By.String()), "reason": unified.Reason.String(), "rule": orNil(unified.Rule.String()),
		"since": timeText(unified.Since), "idle_since": timeText(unified.IdleSince), "next": nil, "stale": unified.Stale, "revision": float64(state.Revision), "display_name": orNil(state.DisplayName), "protocols": protocols,
	}
	if state.Invisible {
		want["invisible"] = true
	}
	return id, state, want
}

// orNil returns what a document has for a text: null if it is empty.
func orNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func parse(t *rapid.T, text []byte) (value any) {
	if bytes.ContainsAny(text, "\u2028\u2029\n") {
		t.Fatalf("%q cannot be a line", text)
	}
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return value
}

func TestUserMeansWhatItWasMadeOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id, state, want := drawState(t)
		text := AppendUser([]byte("before"), id, &state)
		if got := parse(t, bytes.TrimPrefix(text, []byte("before"))); !reflect.DeepEqual(got, any(want)) {
			t.Fatalf("%s\nwant %v", text, want)
		}
	})
}

// TestUsersAreWrittenInPieces: together they are the document, and its head is all that tells the revision.
func TestUsersAreWrittenInPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		users := buffers{revision: domain.Revision(rapid.Uint64Range(0, MaxRevision).Draw(t, "revision"))}
		all := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "users") {
			id, state, want := drawState(t)
			for range rapid.SampledFrom([]int{1, 1, 1, 1500}).Draw(t, "times") {
				users.asked.Users, users.states, all = append(users.asked.Users, id), append(users.states, state), append(all, any(want))
			}
		}
		var whole []byte
		pieces := 0
		for piece := range users.pieces {
			whole = append(whole, piece...)
			pieces++
		}
		if want := any(map[string]any{"revision": float64(users.revision), "users": all}); !reflect.DeepEqual(parse(t, whole), want) {
			t.Fatalf("%s\nwant %v", whole, want)
		}
		if len(whole) > 800<<10 && pieces < 3 || pieces > 1+len(whole)/respond.MaxPiece {
			t.Fatalf("%d bytes in %d pieces", len(whole), pieces)
		}
		head := users.headSize()
		users.revision = (users.revision + 1) / 2
		for other := range users.pieces {
			if !bytes.HasPrefix(whole[head:], other[users.headSize():]) {
				t.Fatalf("%s\n%s", whole[head:], other[users.headSize():])
			}
			break
		}
	})
}

func TestSources(t *testing.T) {
	text := func(known domain.Timestamp, statuses ...domain.SourceStatus) []byte {
		text, err := json.Marshal(sourcesDocument(statuses, known))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if got := string(text(0)); got != `{"sources":[],"journal":{"followed":true,"known_until":null}}` {
		t.Errorf("no sources: %s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		status := domain.SourceStatus{
			Protocol: domain.MustProtocol("xmpp"), State: domain.SourceState(rapid.Uint8Range(0, uint8(domain.SourceRejected)).Draw(t, "state")),
			Since: times().Draw(t, "since"), Users: rapid.IntRange(0, 1e7).Draw(t, "users"), Error: texts().Draw(t, "error"), RetryAt: times().Draw(t, "retry"),
			AsOf: times().Draw(t, "as of"),
		}
		known := times().Draw(t, "known")
		source := map[string]any{
			"protocol": "xmpp", "state": status.State.String(), "since": timeText(status.Since), "users": float64(status.Users), "error": nil, "retry_at": timeText(status.RetryAt),
			"as_of": timeText(status.AsOf),
		}
		if status.Error != "" {
			source["error"] = status.Error
		}
		want := any(map[string]any{"sources": []any{source, source}, "journal": map[string]any{"followed": known.IsZero(), "known_until": timeText(known)}})
		if text := text(known, status, status); !reflect.DeepEqual(parse(t, text), want) {
			t.Fatalf("%s\nwant %v", text, want)
		}
	})
}

// BenchmarkUser is for the record.
func BenchmarkUser(b *testing.B) {
	at := domain.TimestampOf(time.Now())
	state := domain.State{User: "markd@zarafa.com", Revision: 4711, Presences: domain.Presences{
		{Protocol: domain.MustProtocol("spreed"), Status: domain.Available, Message: "feeling chatty..", Since: at, Updated: at, Expires: at},
		{Protocol: domain.MustProtocol("xmpp"), Status: domain.Away, Since: at, Updated: at},
	}}
	var text []byte
	b.ReportAllocs()
	for b.Loop() {
		text = AppendUser(text[:0], "markd@zarafa.com", &state)
	}
}

var preferred = domain.Precedence{{Protocol: domain.MustProtocol("irc"), Status: domain.Busy}, {Protocol: domain.MustProtocol("manual"), Any: true}}
