package backup_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/zarafa/presence/adapters/http/backup"
	"github.com/zarafa/presence/domain"
)

const goodLine = `{"user":"markd@zarafa.com","protocol":"spreed","status":"busy","message":"in a meeting","since":"2026-11-23T09:00:00.000000000Z","updated":"2026-11-23T09:14:30.123456789Z","expires":"2026-11-23T09:16:30.123456789Z","stale":true}`

// render makes a line of a presence.
func render(t testing.TB, user domain.UserID, p domain.Presence) string {
	t.Helper()
	text, err := backup.Append(nil, user, &p)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(text), "\n")
}

func TestLine(t *testing.T) {
	change, err := backup.Parse([]byte(goodLine))
	user, p := change.User, change.Presence
	if err != nil {
		t.Fatal(err)
	}
	want := domain.Presence{
		Protocol: domain.MustProtocol("spreed"), Status: domain.Busy, Message: "in a meeting",
		Since: 1795424400_000000000, Updated: 1795425270_123456789, Expires: 1795425390_123456789, Stale: true,
	}
	if user != "markd@zarafa.com" || p != want {
		t.Errorf("it says %s %+v, want %+v", user, p, want)
	}
	if got := render(t, user, p); got != goodLine {
		t.Errorf("rendered again it is\n%s", got)
	}
	// Who is invisible.
	hidden := domain.Presence{Protocol: domain.MustProtocol("manual"), Since: 1, Updated: 1, Expires: 2, Fixed: true, Vanishes: true, Invisible: true}
	text := render(t, "markd@zarafa.com", hidden)
	if change, err = backup.Parse([]byte(text)); err != nil || change.Presence != hidden || !strings.Contains(text, `"vanishes":true,"invisible":true}`) {
		t.Errorf("%s is %+v, %v", text, change.Presence, err)
	}
	// What other programs may make of the same.
	loose := ` { "stale":false, "status" :"away","updated":"2026-11-23T10:14:30+01:00","user":"MarkD@Zarafa.com","protocol":"xmpp","since":"2026-11-23T09:14:30Z"}` + "\r"
	change, err = backup.Parse([]byte(loose))
	user, p = change.User, change.Presence
	want = domain.Presence{Protocol: domain.MustProtocol("xmpp"), Status: domain.Away, Since: 1795425270_000000000, Updated: 1795425270_000000000}
	if err != nil || user != "markd@zarafa.com" || p != want {
		t.Errorf("it says %s %+v %v, want %+v", user, p, err, want)
	}
}

func TestMalformedLines(t *testing.T) {
	with := func(old, new string) string {
		text := strings.Replace(goodLine, old, new, 1)
		if text == goodLine {
			t.Fatalf("the line has no %s", old)
		}
		return text
	}
	for _, test := range []struct{ name, text, want string }{
		{"not JSON", "user,protocol", "not JSON at byte 0"},
		{"cut off", goodLine[:60], "not JSON at byte"},
		{"two on a line", goodLine + goodLine, "not JSON at byte"},
		{"a byte order mark", "\ufeff" + goodLine, "not JSON at byte 0"},
		{"half a surrogate pair", with("in a", `in \ud800`), "not JSON at byte"},
		{"not UTF-8", with("in a", "in \xff"), "not JSON at byte"},
		{"a list", `["markd@zarafa.com"]`, "expected an object: {...}"},
		{"a string", `"markd@zarafa.com"`, "expected an object: {...}"},
		{"null", `null`, "expected an object: {...}"},
		{"empty", `{}`, "user is missing"},
		{"no protocol", with(`"protocol":"spreed",`, ""), "protocol is missing"},
		{"no status", with(`"status":"busy",`, ""), "status is missing"},
		{"no since", with(`"since":"2026-11-23T09:00:00.000000000Z",`, ""), "since is missing"},
		{"no updated", with(`"updated":"2026-11-23T09:14:30.123456789Z",`, ""), "updated is missing"},
		{"twice", with(`{`, `{"user":"alice@example.test",`), `"user" is there twice`},
		{"an unknown field", with(`{`, `{"revision":"7",`), `"revision": there is no such member`},
		{"upper case", with(`"user"`, `"User"`), `"User": there is no such member`},
		{"user is no string", with(`"markd@zarafa.com"`, `7`), `"user": a JSON number is not what is expected`},
		{"user is null", with(`"markd@zarafa.com"`, `null`), "user is missing"},
		{"message is an object", with(`"in a meeting"`, `{"en":"in a meeting"}`), `"message": a JSON { is not what is expected`},
		{"stale is no bool", with(`true`, `"true"`), `"stale": a JSON string is not what is expected`},
		{"bad user", with("markd@", "markd"), `user: invalid user "markdzarafa.com": it has no @: an id is account@domain`},
		{"bad protocol", with(`"spreed"`, `"Spreed!"`), `protocol: invalid protocol name "Spreed!"`},
		{"bad status", with(`"busy"`, `"lunch"`), `status: unknown status "lunch": must be available, busy, away or unavailable`},
		{"gone", with(`"busy"`, `"gone"`), `status: unknown status "gone"`},
		{"long message", with("in a meeting", strings.Repeat("x", 4097)), "message: invalid message: 4097 bytes, at most 4096 are allowed"},
		{"seconds", with(`"2026-11-23T09:14:30.123456789Z"`, `1795425270`), `"updated": a JSON number is not what is expected`},
		{"invisible is no bool", with(`true`, `true,"invisible":1`), `"invisible": a JSON number is not what is expected`},
		{"invisible for ever", with(`"expires":"2026-11-23T09:16:30.123456789Z","stale":true`, `"invisible":true,"stale":true`), `invisible: it needs an end (expires)`},
		{"another form of time", with("2026-11-23T09:14:30.123456789Z", "2026-11-23 09:14:30"), `updated: expected a time such as 2026-11-23T09:14:30.123456789Z, got "2026-11-23 09:14:30"`},
		{"empty time", with(`"expires":"2026-11-23T09:16:30.123456789Z"`, `"expires":""`), `expires: expected a time such as`},
		{"no such day", with("2026-11-23T09:00", "2026-02-30T09:00"), `since: expected a time such as`},
		{"too late", with("2026-11-23T09:16", "2263-11-23T09:16"), `expires: "2263-11-23T09:16:30.123456789Z" is too far away`},
		{"none", with("2026-11-23T09:00:00", "1970-01-01T00:00:00"), `since: "1970-01-01T00:00:00.000000000Z" is too far away, or is what stands for no time`},
		{"a name for terminals", with(`{`, `{"\u001b[31m":"x",`), `"\x1b[31m": there is no such member`},
	} {
		t.Run(test.name, func(t *testing.T) {
			change, err := backup.Parse([]byte(test.text))
			if err == nil {
				t.Fatalf("it is taken for %+v", change)
			}
			if !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("%v\nwant %s", err, test.want)
			}
		})
	}
}

// What is accepted can be rendered and is the same then; what is refused is refused with one line.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		change, err := backup.Parse(text)
		user, p := change.User, change.Presence
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 1000 {
				t.Errorf("the error is %q", err)
			}
			return
		}
		if p.Removed || p.Revision != 0 || p.Since.IsZero() || p.Updated.IsZero() || domain.CheckMessage(p.Message) != nil {
			t.Fatalf("accepted: %+v", p)
		}
		var fields map[string]any // as another reader of JSON sees it
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		message, _ := fields["message"].(string)
		stale, _ := fields["stale"].(bool)
		if message != p.Message || stale != p.Stale || fields["status"] != p.Status.String() || fields["protocol"] != p.Protocol.String() {
			t.Errorf("accepted as %+v, but it says %v", p, fields)
		}
		rendered := render(t, user, p)
		if len(rendered) >= maxLine || strings.Contains(rendered, "\n") {
			t.Fatalf("a line of %d bytes: %s", len(rendered), rendered)
		}
		again, err := backup.Parse([]byte(rendered))
		if err != nil || again != change {
			t.Errorf("%s\nis %+v (%v), was %+v", rendered, again, err, change)
		}
	})
}

// maxLine is the longest line that is read.
const maxLine = 64 << 10

func TestLines(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"usual", goodLine + "\nb\n", `1 good, 2 "b"`},
		{"without the last end", "a\n" + goodLine, `1 "a", 2 good`},
		{"blank ones", "\n \r\na\n\n", `3 "a"`},
		{"long", "a\n" + long + "\nb\n" + long + long + long, `1 "a", 2 too long, 3 "b", 4 too long`},
		{"almost", long[1:] + "\n" + long + "\n", fmt.Sprintf(`1 %q, 2 too long`, long[1:])},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			err := backup.Lines(iotest.HalfReader(strings.NewReader(test.text)), func(l backup.Line) error {
				switch {
				case l.Err == nil:
					got = append(got, fmt.Sprint(l.Number, " good"))
				case strings.Contains(l.Err.Error(), "longer than 65536 bytes"):
					got = append(got, fmt.Sprint(l.Number, " too long"))
				default:
					got = append(got, fmt.Sprintf("%d %q", l.Number, l.Text))
				}
				return nil
			})
			if all := strings.Join(got, ", "); err != nil || all != test.want {
				t.Errorf("%.300s, %v\nwant %.300s", all, err, test.want)
			}
		})
	}
	stop := errors.New("stop")
	if err := backup.Lines(strings.NewReader("a\nb\n"), func(backup.Line) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Lines returns %v", err)
	}
	if err := backup.Lines(iotest.ErrReader(stop), func(backup.Line) error { return nil }); !errors.Is(err, stop) {
		t.Errorf("of what cannot be read Lines returns %v", err)
	}
}
