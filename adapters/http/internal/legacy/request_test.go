package legacy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/adapters/http/internal/legacy"
	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
)

const example = `{"AuthenticationToken": "1415697944:markd@zarafa.com:SLDJ=", "Type": "UserStatus",
 "UserStatus": [{"user_id": "markd@zarafa.com", "spreed": {"status": "available", "message": "feeling chatty.."}}]}`

func readUpdate(text string) (*legacy.Request, error) {
	r := new(legacy.Request)
	return r, r.ReadUpdate([]byte(text))
}

func TestReadExample(t *testing.T) {
	update, err := readUpdate(example)
	if err != nil {
		t.Fatal(err)
	}
	want := []domain.Update{{User: "markd@zarafa.com", Protocol: "spreed", Status: "available", Message: "feeling chatty.."}}
	if update.Token != "1415697944:markd@zarafa.com:SLDJ=" || !slices.Equal(update.Users, []string{"markd@zarafa.com"}) ||
		!slices.Equal(update.Updates, want) || update.Entry(0) != 0 {
		t.Errorf("ReadUpdate: %+v", update)
	}
	var query legacy.Request
	if err := query.ReadQuery([]byte(example)); err != nil || len(query.Updates) != 0 || query.Users[0] != "markd@zarafa.com" {
		t.Errorf("ReadQuery: %+v, %v", query, err)
	}
}

func TestReadVariants(t *testing.T) {
	for name, text := range map[string]string{
		"other order":     `{"UserStatus":[{"spreed":{"message":"m","status":"busy"},"user_id":"a@b"}],"Type":"UserStatus","AuthenticationToken":"t"}`,
		"unknown keys":    `{"x":[{"y":[1,-0.5e+7,true,false,null,"\u00e9"]}],"AuthenticationToken":"t","x":{},"Type":"UserStatus","UserStatus":[{"user_id":"a@b","spreed":{"status":"busy","message":"m","x":[],"x":1}}]}`,
		"white space":     " \t\r\n{ \"AuthenticationToken\" : \"t\" ,\n\"Type\" : \"UserStatus\" , \"UserStatus\" : [ { \"user_id\" : \"a@b\" , \"spreed\" : { \"status\" : \"busy\" , \"message\" : \"m\" } } ] } \n",
		"escaped names":   `{"\u0041uthenticationToken":"t","Type":"User\u0053tatus","UserStatus":[{"user\u005fid":"\u0061@b","spree\u0064":{"stat\u0075s":"busy","message":"\u006d"}}]}`,
		"the usual dense": `{"AuthenticationToken":"t","Type":"UserStatus","UserStatus":[{"user_id":"a@b","spreed":{"status":"busy","message":"m"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			r, err := readUpdate(text)
			if err != nil {
				t.Fatal(err)
			}
			want := []domain.Update{{User: "a@b", Protocol: "spreed", Status: "busy", Message: "m"}}
			if r.Token != "t" || !slices.Equal(r.Updates, want) {
				t.Errorf("read %+v", r)
			}
		})
	}
}

func TestReadFaults(t *testing.T) {
	document := func(entries string) string { return `{"Type":"UserStatus","UserStatus":[` + entries + `]}` }
	spreed := func(value string) string { return document(`{"user_id":"a@b","spreed":` + value + `}`) }
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	var protocols strings.Builder
	for i := range legacy.MaxProtocols + 1 {
		fmt.Fprintf(&protocols, `,"p%d":{"status":"busy"}`, i)
	}
	for _, test := range []struct{ name, text, pointer string }{
		{"empty", "", ""},
		{"white space", " \n", ""},
		{"truncated", example[:len(example)-1], ""},
		{"null", "null", "#"},
		{"array", "[]", "#"},
		{"string", `"x"`, "#"},
		{"number", "1", "#"},
		{"two documents", document("") + document(""), ""},
		{"trailing text", document("") + "x", ""},
		{"trailing NUL", document("") + "\x00", ""},
		{"byte order mark", "\ufeff" + document(""), ""},
		{"comma at the end of an object", `{"Type":"UserStatus","UserStatus":[],}`, ""},
		{"comma at the end of an array", document(`{"user_id":"a@b"},`), ""},
		{"comma at the beginning", document(`,{"user_id":"a@b"}`), ""},
		{"two commas", document(`{"user_id":"a@b"},,{"user_id":"a@b"}`), ""},
		{"single quotes", `{'Type':'UserStatus'}`, ""},
		{"comment", `{/**/}`, ""},
		{"name without quotes", `{Type:"UserStatus"}`, ""},
		{"no colon", `{"Type" "UserStatus"}`, ""},
		{"NaN", `{"x":NaN}`, ""},
		{"leading zero", `{"x":01}`, ""},
		{"plus", `{"x":+1}`, ""},
		{"no digits", `{"x":-}`, ""},
		{"no fraction", `{"x":1.}`, ""},
		{"no exponent", `{"x":1e}`, ""},
		{"misspelt literal", `{"x":nul}`, ""},
		{"upper-case literal", `{"x":True}`, ""},
		{"control character", "{\"x\":\"a\nb\"}", ""},
		{"NUL in a string", "{\"x\":\"a\x00b\"}", ""},
		{"unknown escape", `{"x":"\x41"}`, ""},
		{"short escape", `{"x":"\u12"}`, ""},
		{"bad hexadecimal", `{"x":"\u12g4"}`, ""},
		{"escape at the end", `{"x":"\`, ""},
		{"high surrogate alone", `{"x":"\ud83d"}`, ""},
		{"low surrogate alone", `{"x":"\ude00"}`, ""},
		{"surrogates swapped", `{"x":"\ude00\ud83d"}`, ""},
		{"high surrogate and a letter", `{"x":"\ud83d\u0041"}`, ""},
		{"not UTF-8", "{\"x\":\"\xff\"}", ""},
		{"overlong UTF-8", "{\"x\":\"\xc0\xaf\"}", ""},
		{"surrogate in UTF-8", "{\"x\":\"\xed\xa0\x80\"}", ""},
		{"too deep", `{"x":` + deep(legacy.MaxDepth) + `}`, ""},
		{"much too deep", strings.Repeat("[", 500_000), ""},
		{"much too deep objects", `{"x":` + strings.Repeat(`{"x":`, 100_000), ""},

		{"no type", `{"UserStatus":[]}`, "#/Type"},
		{"type in lower case", `{"Type":"userstatus","UserStatus":[]}`, "#/Type"},
		{"type of another kind", `{"Type":1,"UserStatus":[]}`, "#/Type"},
		{"type null", `{"Type":null,"UserStatus":[]}`, "#/Type"},
		{"type twice", `{"Type":"UserStatus","Type":"UserStatus","UserStatus":[]}`, "#/Type"},
		{"token a number", `{"AuthenticationToken":1,"Type":"UserStatus","UserStatus":[]}`, "#/AuthenticationToken"},
		{"token null", `{"AuthenticationToken":null,"Type":"UserStatus","UserStatus":[]}`, "#/AuthenticationToken"},
		{"token twice", `{"AuthenticationToken":"a","AuthenticationToken":"a","Type":"UserStatus","UserStatus":[]}`, "#/AuthenticationToken"},
		{"token twice, once escaped", `{"AuthenticationToken":"a","\u0041uthenticationToken":"a","Type":"UserStatus","UserStatus":[]}`, "#/AuthenticationToken"},
		{"no users", `{"Type":"UserStatus"}`, "#/UserStatus"},
		{"name in lower case", `{"Type":"UserStatus","userstatus":[]}`, "#/UserStatus"},
		{"users an object", `{"Type":"UserStatus","UserStatus":{}}`, "#/UserStatus"},
		{"users null", `{"Type":"UserStatus","UserStatus":null}`, "#/UserStatus"},
		{"users twice", `{"Type":"UserStatus","UserStatus":[],"UserStatus":[]}`, "#/UserStatus"},
		{"entry a string", document(`"a@b"`), "#/UserStatus/0"},
		{"entry null", document(`{"user_id":"a@b"},null`), "#/UserStatus/1"},
		{"no user", document(`{}`), "#/UserStatus/0/user_id"},
		{"no user, but a protocol", document(`{"user_id":"a@b"},{"spreed":{"status":"busy"}}`), "#/UserStatus/1/user_id"},
		{"user a number", document(`{"user_id":1}`), "#/UserStatus/0/user_id"},
		{"user null", document(`{"user_id":null}`), "#/UserStatus/0/user_id"},
		{"user twice", document(`{"user_id":"a@b","user_id":"a@b"}`), "#/UserStatus/0/user_id"},
		{"protocol a string", spreed(`"busy"`), "#/UserStatus/0/spreed"},
		{"protocol null", spreed(`null`), "#/UserStatus/0/spreed"},
		{"protocol an array", spreed(`[]`), "#/UserStatus/0/spreed"},
		{"protocol twice", document(`{"user_id":"a@b","spreed":{"status":"busy"},"spreed":{"status":"busy"}}`), "#/UserStatus/0/spreed"},
		{"strange protocol", document(`{"user_id":"a@b","a/b~c d%é":1}`), "#/UserStatus/0/a~1b~0c%20d%25%C3%A9"},
		{"too many protocols", document(`{"user_id":"a@b"` + protocols.String() + `}`), "#/UserStatus/0"},
		{"no status", spreed(`{}`), "#/UserStatus/0/spreed/status"},
		{"status a number", spreed(`{"status":1}`), "#/UserStatus/0/spreed/status"},
		{"status null", spreed(`{"status":null}`), "#/UserStatus/0/spreed/status"},
		{"status twice", spreed(`{"status":"busy","status":"busy"}`), "#/UserStatus/0/spreed/status"},
		{"message a number", spreed(`{"status":"busy","message":1}`), "#/UserStatus/0/spreed/message"},
		{"message null", spreed(`{"status":"busy","message":null}`), "#/UserStatus/0/spreed/message"},
		{"message twice", spreed(`{"message":"","status":"busy","message":""}`), "#/UserStatus/0/spreed/message"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, read := range []func(*legacy.Request, []byte) error{(*legacy.Request).ReadUpdate, (*legacy.Request).ReadQuery} {
				err := read(new(legacy.Request), []byte(test.text))
				var fault *problem.Error
				if !errors.As(err, &fault) {
					t.Fatalf("error %v, want a problem.Error", err)
				}
				pointer := ""
				if len(fault.Entries) == 1 {
					pointer = fault.Entries[0].Pointer
				}
				if pointer != test.pointer || fault.Detail == "" || !errors.Is(err, problem.ErrMalformed) {
					t.Errorf("fault %+v, want one at %q", fault, test.pointer)
				}
			}
		})
	}
}

func TestNumberOfUsersIsBounded(t *testing.T) {
	document := func(n int, entry string) []byte {
		return []byte(`{"Type":"UserStatus","UserStatus":[` + strings.TrimSuffix(strings.Repeat(entry+",", n), ",") + `]}`)
	}
	for _, entry := range []string{`{"user_id":"a@b"}`, `{ "user_id":"a@b"}`} {
		var r legacy.Request
		if err := r.ReadQuery(document(legacy.MaxUsers, entry)); err != nil || len(r.Users) != legacy.MaxUsers {
			t.Errorf("%d users: %d, %v", legacy.MaxUsers, len(r.Users), err)
		}
		if err := r.ReadQuery(document(legacy.MaxUsers+1, entry)); !errors.Is(err, problem.ErrTooMany) {
			t.Errorf("one too many: %v", err)
		}
	}
}

func TestUpdatesKnowTheirEntries(t *testing.T) {
	r, err := readUpdate(`{"Type":"UserStatus","UserStatus":[{"user_id":"a@b","spreed":{"status":"bogus","message":"m"}},{"user_id":"c@d"},` +
		`{"x":{"status":"busy"},"user_id":"e@f","y":{"status":"busy"}},{"user_id":"g@h"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []domain.Update{
		{User: "a@b", Protocol: "spreed", Status: "bogus", Message: "m"},
		{User: "e@f", Protocol: "x", Status: "busy"},
		{User: "e@f", Protocol: "y", Status: "busy"},
	}
	if !slices.Equal(r.Updates, want) {
		t.Errorf("Updates = %+v, want %+v", r.Updates, want)
	}
	if got := []int{r.Entry(0), r.Entry(1), r.Entry(2)}; !slices.Equal(got, []int{0, 2, 2}) || r.Bare(0) || !r.Bare(1) || r.Bare(2) || !r.Bare(3) {
		t.Errorf("entries %v, bare %t %t %t %t", got, r.Bare(0), r.Bare(1), r.Bare(2), r.Bare(3))
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	var r legacy.Request
	text := []byte(example)
	if n := testing.AllocsPerRun(100, func() {
		if err := errors.Join(r.ReadQuery(text), r.ReadUpdate(text)); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("reading allocates %v times", n)
	}
}

// oracle reads a document with encoding/json, and says what it means. It is lenient where encoding/json is.
func oracle(text []byte) (token string, users []string, updates map[string]domain.Update, err error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(text, &top); err != nil {
		return "", nil, nil, err
	}
	var kind string
	var entries []map[string]json.RawMessage
	if top["AuthenticationToken"] != nil {
		err = json.Unmarshal(top["AuthenticationToken"], &token)
	}
	err = errors.Join(err, json.Unmarshal(top["Type"], &kind), json.Unmarshal(top["UserStatus"], &entries))
	if err != nil {
		return "", nil, nil, err
	}
	updates = make(map[string]domain.Update)
	for i, entry := range entries {
		var user string
		if err := json.Unmarshal(entry["user_id"], &user); err != nil {
			return "", nil, nil, err
		}
		users = append(users, user)
		for protocol, value := range entry {
			if protocol == "user_id" {
				continue
			}
			var members map[string]json.RawMessage
			update := domain.Update{User: user, Protocol: protocol}
			if err := json.Unmarshal(value, &members); err != nil {
				return "", nil, nil, err
			}
			if err := json.Unmarshal(members["status"], &update.Status); err != nil {
				return "", nil, nil, err
			}
			if members["message"] != nil {
				if err := json.Unmarshal(members["message"], &update.Message); err != nil {
					return "", nil, nil, err
				}
			}
			updates[fmt.Sprintf("%d/%s", i, protocol)] = update
		}
	}
	if kind != "UserStatus" {
		err = errors.New("another type")
	}
	return token, users, updates, err
}

// agree checks that whatever is accepted, encoding/json accepts with the same meaning.
func agree(t interface{ Fatalf(string, ...any) }, text []byte) {
	var r legacy.Request
	if err := r.ReadUpdate(bytes.Clone(text)); err != nil {
		var query legacy.Request
		if query.ReadQuery(bytes.Clone(text)) == nil {
			t.Fatalf("%q is accepted as a query, but not as an update: %v", text, err)
		}
		return
	}
	token, users, updates, err := oracle(text)
	if err != nil {
		t.Fatalf("%q is accepted, but not by encoding/json: %v", text, err)
	}
	got := make(map[string]domain.Update)
	for i, update := range r.Updates {
		got[fmt.Sprintf("%d/%s", r.Entry(i), update.Protocol)] = update
	}
	if r.Token != token || !slices.Equal(r.Users, users) || len(got) != len(r.Updates) || len(got)+len(updates) > 0 && !reflect.DeepEqual(got, updates) {
		t.Fatalf("%q:\nread as  %q %q %v\nmeant as %q %q %v", text, r.Token, r.Users, got, token, users, updates)
	}
	var query legacy.Request
	if err := query.ReadQuery(bytes.Clone(text)); err != nil || query.Token != token || !slices.Equal(query.Users, users) {
		t.Fatalf("%q as a query: %+v, %v", text, query, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		example, `{}`, `[]`, `{"Type":"UserStatus","UserStatus":[]}`,
		`{"Type":"UserStatus","UserStatus":[{"user_id":"a@b"},{"user_id": "\ud83d\ude00@b"}],"x":[1,-2.5e-3,true,false,null,{"y":""}]}`,
		`{"Type":"UserStatus","UserStatus":[{"p":{"status":"\"\\\/\b\f\n\r\t","x":{}},"user_id":"é"}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) { agree(t, text) })
}

// texts draws strings that need every kind of escaping.
func texts() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		special := []rune{'"', '\\', '/', '\n', '\r', '\t', 0, 1, 0x1f, 0x7f, 'é', '\u2028', '\u2029', '\ufffd', '😀', 'a', '@', '.', ' ', '<'}
		return string(rapid.SliceOfN(rapid.SampledFrom(special), 0, 40).Draw(t, "text"))
	})
}

// TestWhatEncodingJSONWritesIsRead draws documents, has encoding/json write them, and damages some.
func TestWhatEncodingJSONWritesIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var entries []map[string]any
		for range rapid.IntRange(0, 4).Draw(t, "entries") {
			entry := map[string]any{"user_id": texts().Draw(t, "user")}
			for range rapid.IntRange(0, 3).Draw(t, "protocols") {
				entry[texts().Draw(t, "protocol")] = map[string]any{"status": texts().Draw(t, "status"), "message": texts().Draw(t, "message")}
			}
			entry["user_id"] = texts().Draw(t, "user")
			entries = append(entries, entry)
		}
		document := map[string]any{"AuthenticationToken": texts().Draw(t, "token"), "Type": "UserStatus", "UserStatus": entries, "x": texts().Draw(t, "x")}
		if entries == nil {
			document["UserStatus"] = []any{}
		}
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "indented") {
			var b bytes.Buffer
			if err := json.Indent(&b, text, "", "  "); err != nil {
				t.Fatal(err)
			}
			text = b.Bytes()
		}
		var r legacy.Request
		if err := r.ReadUpdate(bytes.Clone(text)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		agree(t, text)
		damaged := bytes.Clone(text)
		damaged[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("{}[]\",:\\0 \x00\xff")).Draw(t, "byte")
		agree(t, damaged)
		agree(t, text[:rapid.IntRange(0, len(text)).Draw(t, "cut")])
	})
}

func TestAnswerMeansWhatItWasMadeOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var users []string
		var all []domain.Presences
		var want []map[string]any
		for range rapid.IntRange(0, 5).Draw(t, "users") {
			user := texts().Draw(t, "user")
			entry := map[string]any{"user_id": user}
			var found domain.Presences
			for _, protocol := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"spreed", "xmpp", "irc", "a23456789-123456789-123456789-12"}), 0, 4, rapid.ID).Draw(t, "protocols") {
				p := domain.Presence{Protocol: domain.MustProtocol(protocol), Status: rapid.SampledFrom(domain.Statuses()).Draw(t, "status"), Message: texts().Draw(t, "message")}
				found = append(found, p)
				entry[protocol] = map[string]any{"status": p.Status.String(), "message": p.Message}
			}
			users, all, want = append(users, user), append(all, found), append(want, entry)
		}
		pieces := legacy.Pieces(users, all)
		text := bytes.Join(pieces, nil)
		if len(pieces) != 1 || !utf8.Valid(text) || bytes.ContainsAny(text, "\u2028\u2029") {
			t.Fatalf("%d pieces: %q", len(pieces), text)
		}
		var got struct {
			Type       string
			UserStatus []map[string]any
		}
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got.Type != "UserStatus" || len(got.UserStatus) != len(want) || len(want) > 0 && !reflect.DeepEqual(got.UserStatus, want) {
			t.Fatalf("%s\nwant %v", text, want)
		}
	})
}

func TestAnswerReplacesWhatIsNotUTF8(t *testing.T) {
	text := legacy.Pieces([]string{"a\xffb@c"}, []domain.Presences{nil})[0]
	if want := "{\"Type\":\"UserStatus\",\"UserStatus\":[{\"user_id\":\"a\ufffdb@c\"}]}"; string(text) != want {
		t.Errorf("%q, want %q", text, want)
	}
}

// TestLargeAnswerComesInPieces: together they are the document.
func TestLargeAnswerComesInPieces(t *testing.T) {
	const users = 20_000
	pieces := legacy.Pieces(slices.Repeat([]string{"markd@zarafa.com"}, users), make([]domain.Presences, users))
	entries := strings.Repeat(`{"user_id":"markd@zarafa.com"},`, users)
	if want := `{"Type":"UserStatus","UserStatus":[` + entries[:len(entries)-1] + `]}`; string(bytes.Join(pieces, nil)) != want {
		t.Errorf("the pieces are not the answer about %d users", users)
	}
	if want := 1 + users*31/legacy.MaxPiece; len(pieces) != want {
		t.Errorf("%d pieces, want %d", len(pieces), want)
	}
}
