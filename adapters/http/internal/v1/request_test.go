package v1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
)

// now is when the tests' requests come.
var now = domain.TimestampOf(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))

func TestReadQuery(t *testing.T) {
	for text, want := range map[string]Query{
		`{}`: {},
		`{"users":["MarkD@zarafa.com", "\u0061@b"],"since":4711}`: {Users: []string{"MarkD@zarafa.com", "a@b"}, Named: true, Since: 4711, Again: true},
		`{"groups":["helpdesk"],"users":["a@b"]}`:                 {Users: []string{"a@b"}, Groups: []string{"helpdesk"}, Named: true},
		`{"groups":[]}`:                     {Named: true},
		` { "since" : 0 , "users" : [ ] } `: {Named: true, Again: true},
		`{"users":["", "not an id"],"since":9007199254740991}` + "\n": {Users: []string{"", "not an id"}, Named: true, Since: MaxRevision, Again: true},
	} {
		var q Query
		if err := q.ReadBody([]byte(text)); err != nil || !sameQuery(q, want) {
			t.Errorf("%s is read as %+v, %v; want %+v", text, q, err, want)
		}
	}
}

func sameQuery(a, b Query) bool {
	return slices.Equal(a.Users, b.Users) && slices.Equal(a.Groups, b.Groups) && a.limit == b.limit && a.after == b.after && a.Named == b.Named && a.Since == b.Since && a.Again == b.Again
}

func TestReadSetting(t *testing.T) {
	three := domain.TimestampOf(time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC))
	far := domain.TimestampOf(time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC))
	type setting struct {
		Status, Message string
		Until           domain.Timestamp
		ByTTL           bool
	}
	for text, want := range map[string]setting{
		`{"status":"busy"}`: {Status: "busy"},
		`{"message":"in a \"meeting\"","status":"lunch"}`:                                {Status: "lunch", Message: `in a "meeting"`},
		`{"status":"busy","until":"2026-11-23T15:00:00Z"}`:                               {Status: "busy", Until: three},
		`{"status":"busy","until":"2026-11-23T16:00:00.250+01:00"}`:                      {Status: "busy", Until: three.Add(250 * time.Millisecond)},
		`{"status":"busy","until":"2026-11-23t14:59:60z"}`:                               {Status: "busy", Until: three},
		`{"status":"busy","until":"1969-12-31T23:59:59Z"}`:                               {Status: "busy", Until: 1},
		`{"status":"busy","until":"1970-01-01T00:00:00Z"}`:                               {Status: "busy", Until: 1},
		`{"status":"busy","until":"0001-01-01T00:00:00Z"}`:                               {Status: "busy", Until: 1},
		`{"status":"busy","until":"2262-01-01T00:00:00Z"}`:                               {Status: "busy", Until: far},
		`{"status":"busy","ttl":10800}`:                                                  {Status: "busy", Until: three, ByTTL: true},
		`{"status":"busy","ttl":9999999999}`:                                             {Status: "busy", Until: far, ByTTL: true},
		`{"status":"","message":"` + strings.Repeat("x", 5000) + `"}`:                    {Message: strings.Repeat("x", 5000)},
		`{"st\u0061tus":"\u0062usy","ttl" : 1 , "m\u0065ssage" : "\ud83d\ude00"}` + "\t": {Status: "busy", Message: "😀", Until: now.Add(time.Second), ByTTL: true},
	} {
		if u, byTTL, err := readSetting([]byte(text), now); err != nil || u != (domain.Update{Status: want.Status, Message: want.Message, Until: want.Until}) || byTTL != want.ByTTL {
			t.Errorf("%s is read as %+v, %t, %v; want %+v", text, u, byTTL, err, want)
		}
	}
}

// TestFaultsOfDocuments: each names its place, and the pointer and the detail make a sentence.
func TestFaultsOfDocuments(t *testing.T) {
	query := func(text string) error { return new(Query).ReadBody([]byte(text)) }
	setting := func(text string) error {
		_, _, err := readSetting([]byte(text), now)
		return err
	}
	many := `{"users":["a@b"` + strings.Repeat(`,"a@b"`, MaxUsers) + `]}`
	for _, test := range []struct {
		read          func(string) error
		text          string
		pointer, want string
	}{
		{query, ``, "", "the request has no body; expected a JSON object"},
		{query, `[]`, "#", "# must be an object"},
		{query, `{"users":["a@b"]`, "", "not valid JSON at byte 16: unexpected EOF"},
		{query, `{"users":["a@b",]}`, "", "not valid JSON at byte 15: invalid character ',' at start of value"},
		{query, `{"users":[]} x`, "", "not valid JSON at byte 13: invalid character 'x' after top-level value"},
		{query, "{\"users\":[\"\xff\"]}", "", "not valid JSON at byte 11: invalid UTF-8"},
		{query, `{"users":"a@b"}`, "#/users", "#/users must be an array"},
		{query, `{"users":null}`, "#/users", "#/users must be an array"},
		{query, `{"users":["a@b",1]}`, "#/users/1", "#/users/1 must be a string"},
		{query, `{"users":[],"users":[]}`, "#/users", "#/users is there twice"},
		{query, many, "#/users", "#/users has more than 10000 entries"},
		{query, `{"groups":["a",1]}`, "#/groups/1", "#/groups/1 must be a string"},
		{query, strings.Replace(many, "users", "groups", 1), "#/groups", "#/groups has more than 10000 entries"},
		{query, `{"user":["a@b"]}`, "#/user", "#/user is not known; the members are users, groups and since"},
		{query, `{"":1}`, "#/", "#/ is not known; the members are users, groups and since"},
		{query, `{"a/b~":1}`, "#/a~1b~0", "#/a~1b~0 is not known; the members are users, groups and since"},
		{query, `{"since":-1}`, "#/since", "#/since must be a revision: a whole number from 0 to 9007199254740991"},
		{query, `{"since":1.0}`, "#/since", "#/since must be a revision: a whole number from 0 to 9007199254740991"},
		{query, `{"since":9007199254740992}`, "#/since", "#/since must be a revision: a whole number from 0 to 9007199254740991"},
		{query, `{"since":"1"}`, "#/since", "#/since must be a revision: a whole number from 0 to 9007199254740991"},
		{query, `{"since":1,"since":1}`, "#/since", "#/since is there twice"},
		{setting, `{}`, "#/status", "#/status is missing"},
		{setting, `{"status":1}`, "#/status", "#/status must be a string"},
		{setting, `{"status":"busy","status":"busy"}`, "#/status", "#/status is there twice"},
		{setting, `{"status":"busy","message":null}`, "#/message", "#/message must be a string"},
		{setting, `{"status":"busy","activity":1}`, "#/activity", "#/activity must be a string"},
		{setting, `{"status":"busy","mesage":""}`, "#/mesage", "#/mesage is not known; the members are status, message, activity, idle_since, until, ttl, invisible and device"},
		{setting, `{"status":"busy","Message":""}`, "#/Message", "#/Message is not known; the members are status, message, activity, idle_since, until, ttl, invisible and device"},
		{setting, `{"status":"busy","invisible":1}`, "#/invisible", "#/invisible must be true or false"},
		{setting, `{"status":"busy","invisible":"true"}`, "#/invisible", "#/invisible must be true or false"},
		{setting, `{"status":"busy","invisible":null}`, "#/invisible", "#/invisible must be true or false"},
		{setting, `{"status":"busy","invisible":true,"invisible":true}`, "#/invisible", "#/invisible is there twice"},
		{setting, `{"status":"busy","until":"15:00"}`, "#/until", "#/until must be a date and time as in RFC 3339, e.g. 2026-11-23T15:00:00+01:00"},
		{setting, `{"status":"busy","until":"2026-11-23 15:00:00Z"}`, "#/until", "#/until must be a date and time as in RFC 3339, e.g. 2026-11-23T15:00:00+01:00"},
		{setting, `{"status":"busy","until":"2026-02-30T15:00:00Z"}`, "#/until", "#/until must be a date and time as in RFC 3339, e.g. 2026-11-23T15:00:00+01:00"},
		{setting, `{"status":"busy","until":1795442400}`, "#/until", "#/until must be a date and time as in RFC 3339, e.g. 2026-11-23T15:00:00+01:00"},
		{setting, `{"status":"busy","until":"2262-01-01T00:00:01Z"}`, "#/until", "#/until must not be later than 2262-01-01T00:00:00Z"},
		{setting, `{"status":"busy","until":"9999-12-31T23:59:59Z"}`, "#/until", "#/until must not be later than 2262-01-01T00:00:00Z"},
		{setting, `{"status":"busy","until":"2026-11-23T15:00:00,5Z"}`, "#/until", "#/until must be a date and time as in RFC 3339, e.g. 2026-11-23T15:00:00+01:00"},
		{setting, `{"status":"busy","until":"2026-11-23T15:00:00+24:00"}`, "#/until", "#/until must be a date and time as in RFC 3339, e.g. 2026-11-23T15:00:00+01:00"},
		{setting, `{"status":"busy","ttl":10000000000}`, "#/ttl", "#/ttl must be at most 9999999999 seconds"},
		{setting, `{"status":"busy","ttl":99999999999999999999999}`, "#/ttl", "#/ttl must be at most 9999999999 seconds"},
		{setting, `{"status":"busy","ttl":1.5}`, "#/ttl", "#/ttl must be a whole number of seconds, at least 1"},
		{setting, `{"status":"busy","ttl":0}`, "#/ttl", "#/ttl must be a whole number of seconds, at least 1"},
		{setting, `{"status":"busy","ttl":-60}`, "#/ttl", "#/ttl must be a whole number of seconds, at least 1"},
		{setting, `{"status":"busy","ttl":1e3}`, "#/ttl", "#/ttl must be a whole number of seconds, at least 1"},
		{setting, `{"status":"busy","ttl":"60"}`, "#/ttl", "#/ttl must be a whole number of seconds, at least 1"},
		{setting, `{"status":"busy","ttl":01}`, "#/ttl", "#/ttl must be a whole number of seconds, at least 1"},
		{setting, `{"status":"busy","ttl":1x}`, "", "not valid JSON at byte 24: invalid character 'x' after object value (expecting ',' or '}')"},
		{setting, `{"status":"busy","ttl":60,"until":"2026-11-23T15:00:00Z"}`, "#/ttl", "#/ttl and until exclude each other"},
		{setting, `{"status":"busy","until":"2026-11-23T15:00:00Z","ttl":60}`, "#/ttl", "#/ttl and until exclude each other"},
	} {
		err := test.read(test.text)
		var fault *problem.Error
		pointer := ""
		if errors.As(err, &fault) && len(fault.Entries) == 1 {
			pointer = fault.Entries[0].Pointer
		}
		if fault == nil || pointer != test.pointer || fault.Error() != test.want || errors.Is(err, problem.ErrTooMany) != (len(test.text) >= len(many)) {
			t.Errorf("%.60s: %v\nwant %s", test.text, err, test.want)
		}
	}
}

type argumentFault struct {
	Name, Detail string
	TooMany      bool
}

// readArguments is Query.ReadURL.
func readArguments(q *Query, query string) error {
	return q.readURL(query, q.argument, "user, group and since")
}

// A list can also be a page of everybody.
func TestReadList(t *testing.T) {
	for text, want := range map[string]Query{
		`limit=10000`:              {limit: 10_000},
		`after=a%40b&limit=1`:      {limit: 1, after: "a@b"},
		`limit=1&after=`:           {limit: 1},
		`user=a@b&group=c&since=7`: {Users: []string{"a@b"}, Groups: []string{"c"}, Named: true, Since: 7, Again: true},
	} {
		var q Query
		if err := q.readList(text); err != nil || !sameQuery(q, want) {
			t.Errorf("%s is read as %+v, %v; want %+v", text, q, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                    "the parameter user is missing: name the users, user=a@example.test&user=b@example.test, or groups, group=helpdesk; a service can ask for everybody, limit=1000",
		"limit=0":             "the parameter limit must be a whole number from 1 to 10000",
		"limit=10001":         "the parameter limit must be a whole number from 1 to 10000",
		"limit=x":             "the parameter limit must be a whole number from 1 to 10000",
		"limit=1&limit=1":     "the parameter limit is there twice",
		"limit=1&user=a@b":    "the parameter limit is for everybody: it excludes user, group and since",
		"limit=1&group=a":     "the parameter limit is for everybody: it excludes user, group and since",
		"limit=1&since=0":     "the parameter limit is for everybody: it excludes user, group and since",
		"after=a@b":           "the parameter after needs a limit",
		"after=a@b&after=a@b": "the parameter after is there twice",
		"x=1":                 "the parameter x is not known; the parameters are user, group, since, limit and after",
	} {
		if err := new(Query).readList(text); !errors.Is(err, problem.ErrMalformed) || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestReadArgs(t *testing.T) {
	for text, want := range map[string]Query{
		``:   {},
		`&&`: {},
		`user=MarkD@zarafa.com&since=7&user=b%40c`: {Users: []string{"MarkD@zarafa.com", "b@c"}, Named: true, Since: 7, Again: true},
		`user=mark+x@b&user=mark%2bx%40b`:          {Users: []string{"mark+x@b", "mark+x@b"}, Named: true},
		`user=%c3%BC@b&user=&user`:                 {Users: []string{"ü@b", "", ""}, Named: true},
		`group=help%20desk&user=a@b&group=a+b`:     {Users: []string{"a@b"}, Groups: []string{"help desk", "a+b"}, Named: true},
		`user=a%26b=c@d`:                           {Users: []string{"a&b=c@d"}, Named: true},
	} {
		var q Query
		if err := readArguments(&q, text); err != nil || !sameQuery(q, want) {
			t.Errorf("%s is read as %+v, %v; want %+v", text, q, err, want)
		}
	}
	for text, want := range map[string]argumentFault{
		"users=a@b":                          {Name: "users", Detail: "is not known; the parameters are user, group and since"},
		"User=a@b":                           {Name: "User", Detail: "is not known; the parameters are user, group and since"},
		"=a@b":                               {Detail: "is not known; the parameters are user, group and since"},
		"user=a@b&token=x":                   {Name: "token", Detail: "is not known; the parameters are user, group and since"},
		strings.Repeat("x", 100):             {Name: strings.Repeat("x", 80) + "...", Detail: "is not known; the parameters are user, group and since"},
		"user=a%4":                           {Name: "user", Detail: "has a percent sign without two hexadecimal digits"},
		"user=a%zz":                          {Name: "user", Detail: "has a percent sign without two hexadecimal digits"},
		"since=":                             {Name: "since", Detail: "must be a revision: a whole number from 0 to 9007199254740991"},
		"since=+1":                           {Name: "since", Detail: "must be a revision: a whole number from 0 to 9007199254740991"},
		"since=-1":                           {Name: "since", Detail: "must be a revision: a whole number from 0 to 9007199254740991"},
		"since=9007199254740992":             {Name: "since", Detail: "must be a revision: a whole number from 0 to 9007199254740991"},
		"since=18446744073709551616":         {Name: "since", Detail: "must be a revision: a whole number from 0 to 9007199254740991"},
		"since=1&since=1":                    {Name: "since", Detail: "is there twice"},
		strings.Repeat("user=&", MaxUsers+1): {Name: "user", Detail: "is there more than 10000 times", TooMany: true},
		"limit=1":                            {Name: "limit", Detail: "is not known; the parameters are user, group and since"},
	} {
		err := readArguments(new(Query), text)
		var fault *problem.Error
		if !errors.As(err, &fault) || len(fault.Entries) != 1 || fault.Entries[0] != (problem.Entry{Parameter: want.Name, Detail: want.Detail}) ||
			errors.Is(err, problem.ErrTooMany) != want.TooMany {
			t.Errorf("%.60s: %v, want %v", text, err, want)
		}
	}
}

// TestAQueryIsUsedAgain: nothing is left of the request before.
func TestAQueryIsUsedAgain(t *testing.T) {
	var q Query
	for range 2 {
		if err := q.ReadBody([]byte(`{"users":["a@b","c@d"],"since":1}`)); err != nil {
			t.Fatal(err)
		}
		if err := readArguments(&q, "user=e@f"); err != nil || !sameQuery(q, Query{Users: []string{"e@f"}, Named: true}) {
			t.Fatalf("%+v, %v", q, err)
		}
	}
}

// FuzzQuery checks that whatever is accepted, encoding/json accepts with the same meaning.
func FuzzQuery(f *testing.F) {
	f.Add([]byte(`{"users":["a@b","\ud83d\ude00@b"],"since":4711}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var q Query
		if q.ReadBody(bytes.Clone(text)) != nil {
			return
		}
		var want struct {
			Users *[]string
			Since *uint64
		}
		from := json.NewDecoder(bytes.NewReader(text))
		from.DisallowUnknownFields()
		if err := from.Decode(&want); err != nil {
			t.Fatalf("%q is accepted, but not by encoding/json: %v", text, err)
		}
		if q.Named != (want.Users != nil) || q.Named && !slices.Equal(q.Users, *want.Users) {
			t.Fatalf("%q has the users %q, read as %q", text, *want.Users, q.Users)
		}
		if q.Again != (want.Since != nil) || q.Again && uint64(q.Since) != *want.Since || q.Since > MaxRevision {
			t.Fatalf("%q is read as since %d", text, q.Since)
		}
	})
}

// FuzzSetting checks that whatever is accepted, encoding/json accepts with the same meaning.
func FuzzSetting(f *testing.F) {
	f.Add([]byte(`{"status":"busy","message":"m","until":"2026-11-23T15:00:00.5+01:00"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, _, err := readSetting(bytes.Clone(text), now)
		if err != nil {
			return
		}
		var want struct {
			Status, Message string
			Until           *string
			TTL             *int64
		}
		from := json.NewDecoder(bytes.NewReader(text))
		from.DisallowUnknownFields()
		if err := from.Decode(&want); err != nil {
			t.Fatalf("%q is accepted, but not by encoding/json: %v", text, err)
		}
		if s.Status != want.Status || s.Message != want.Message {
			t.Fatalf("%q is read as %+v", text, s)
		}
		var end time.Time
		if want.Until != nil {
			written, leap := strings.ToUpper(*want.Until), time.Duration(0) // which are all that the package time does not read
			if strings.Count(written, ":60") == 1 {
				written, leap = strings.Replace(written, ":60", ":59", 1), time.Second
			}
			if end, err = time.Parse(time.RFC3339, written); err != nil {
				t.Fatalf("%q is accepted, but not by time.Parse: %v", text, err)
			}
			end = end.Add(leap)
		}
		switch {
		case want.Until != nil && want.TTL != nil:
			t.Fatalf("%q is accepted", text)
		case want.Until != nil && end.Unix() > 0 && !s.Until.Time().Equal(end),
			want.Until != nil && end.Unix() <= 0 && s.Until != 1,
			want.TTL != nil && (*want.TTL < 1 || s.Until <= now),
			want.TTL != nil && *want.TTL < math.MaxInt32 && s.Until != now.Add(time.Duration(*want.TTL)*time.Second),
			want.Until == nil && want.TTL == nil && s.Until != 0:
			t.Fatalf("%q ends at %s", text, s.Until)
		}
	})
}

// FuzzArgs checks that whatever is accepted means the same to net/url, the plus sign apart.
func FuzzArgs(f *testing.F) {
	f.Add([]byte("user=a%40b&group=c&user=c@d&since=7"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var q Query
		if readArguments(&q, string(text)) != nil || bytes.ContainsRune(text, ';') {
			return
		}
		want, err := url.ParseQuery(strings.ReplaceAll(string(text), "+", "%2b"))
		if err != nil {
			t.Fatalf("%q is accepted, but not by net/url: %v", text, err)
		}
		if !slices.Equal(q.Users, want["user"]) || !slices.Equal(q.Groups, want["group"]) || q.Again != want.Has("since") || q.Again && strings.TrimLeft(want.Get("since"), "0") != strings.TrimLeft(fmt.Sprint(q.Since), "0") {
			t.Fatalf("%q is read as %+v", text, q)
		}
	})
}
