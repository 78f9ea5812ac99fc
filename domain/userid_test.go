package domain_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/zarafa/presence/domain"
)

func TestParseUserID(t *testing.T) {
	valid := map[string]domain.UserID{
		"markd@zarafa.com":                   "markd@zarafa.com",
		"MarkD@Zarafa.COM":                   "markd@zarafa.com",
		"a@b":                                "a@b",
		"first.last+tag@mail.example.test":   "first.last+tag@mail.example.test",
		"o'brien@example.test":               "o'brien@example.test",
		"Jürgen@Exämple.test":                "jürgen@exämple.test",
		"ΣΊΣΥΦΟΣ@example.test":               "σίσυφοσ@example.test",
		"alice@bücher.test":                  "alice@bücher.test",
		"alice@xn--bcher-kva.test":           "alice@bücher.test",
		"Alice@XN--BCHER-KVA.Test":           "alice@bücher.test",
		"alice@bu\u0308cher.test":            "alice@bücher.test",
		"alice@bücher。test":                  "alice@bücher.test",
		"zoe\u0308@example.test":             "zoë@example.test",
		"σας@example.test":                   "σασ@example.test",
		"straße@example.test":                "strasse@example.test",
		"markd@my_host.local":                "markd@my_host.local",
		"markd@my_büro.local":                "markd@my_büro.local",
		"markd@MY_BÜRO.local":                "markd@my_büro.local",
		"markd@a--b.test":                    "markd@a--b.test",
		"markd@xn--.test":                    "markd@xn--.test",
		"markd@xn--zzzzzzzzz.test":           "markd@xn--zzzzzzzzz.test",
		"xn--bcher-kva@example.test":         "xn--bcher-kva@example.test",
		"markd@b／c.test":                     "markd@b／c.test", // IDNA would make a slash of it
		"\u13a0@example.test":                "\uab70@example.test",
		"\uab70@example.test":                "\uab70@example.test",
		"user@[2001:db8::1]":                 "user@[2001:db8::1]",
		strings.Repeat("a", 318) + "@b":      domain.UserID(strings.Repeat("a", 318) + "@b"),
		".dots..anywhere.@in.the.account.ok": ".dots..anywhere.@in.the.account.ok",
	}
	for text, want := range valid {
		if got, err := domain.ParseUserID(text); got != want || err != nil {
			t.Errorf("ParseUserID(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	invalid := []string{
		"", "@", "markd", "@zarafa.com", "markd@", "a@b@c", "a@@b", "a b@c", "a\t@c", "a@c\n", "a\x00@c", "a\u200b@c", "a\u00a0b@c", "a\ufeff@c",
		"mar\u212ad@c", "adm\u0130n@c", "a\u115f@c", "a\u2800@c", "a\u034f@c", "a\ufe0f@c",
		"a@c/resource", "<a@c>", `"a"@c`, `a\b@c`, "a@.c", "a@c.", "a@b..c", "a@\xff", "\xc3@c", strings.Repeat("a", 319) + "@b",
	}
	for _, text := range invalid {
		got, err := domain.ParseUserID(text)
		if !errors.Is(err, domain.ErrInvalidUser) || got != "" {
			t.Errorf("ParseUserID(%q) = %q, %v; want ErrInvalidUser", text, got, err)
		}
	}
}

func TestInvalidUserIsNamedReadably(t *testing.T) {
	_, err := domain.ParseUserID("no\nat")
	if err == nil || !strings.Contains(err.Error(), `"no\nat"`) {
		t.Errorf("%v does not quote the id", err)
	}
	_, err = domain.ParseUserID(strings.Repeat("é", 5000))
	if err == nil || len(err.Error()) > 300 || !utf8.ValidString(err.Error()) {
		t.Errorf("a long id makes an unreadable error of %d bytes", len(err.Error()))
	}
}

func TestNewUserIDKeepsSidesApart(t *testing.T) {
	if got, err := domain.NewUserID("Mark", "example.test"); got != "mark@example.test" || err != nil {
		t.Errorf("NewUserID = %q, %v", got, err)
	}
	for _, account := range []string{"", "a@b"} {
		if got, err := domain.NewUserID(account, "example.test"); err == nil {
			t.Errorf("NewUserID(%q) = %q, want an error", account, got)
		}
	}
}

func TestSplitUserID(t *testing.T) {
	account, host := domain.UserID("markd@zarafa.com").Split()
	if account != "markd" || host != "zarafa.com" {
		t.Errorf("Split = %q, %q", account, host)
	}
	if account, host = domain.UserID("").Split(); account != "" || host != "" {
		t.Errorf("Split of nobody = %q, %q", account, host)
	}
}

func TestParseUserIDDoesNotAllocateForTheUsualID(t *testing.T) {
	if got := testing.AllocsPerRun(100, func() { _, _ = domain.ParseUserID("first.last-1@mail.example.test") }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

// TestUserIDProperties: what is accepted is canonical, within bounds, and the same in whatever case it is written.
func TestUserIDProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`[a-zA-Z0-9._'-]{1,10}@[a-zA-Z0-9-]{1,8}(\.[a-z]{1,5}){0,3}`),
			rapid.String(),
			rapid.StringMatching(`[a-zßςſüŉΐǰ\x{0130}\x{0300}-\x{0345}ᏸꭰK]{1,8}@(xn--)?[a-z0-9ßςüＡ－／。._\x{0300}-\x{0345}-]{1,12}`),
			rapid.StringMatching(`[a-z@./\\" .<>]{0,12}`),
		).Draw(t, "text")
		checkUserID(t, text)
	})
}

func FuzzUserID(f *testing.F) {
	for _, seed := range []string{"alice@xn--bcher-kva.test", "alice@bu\u0308cher.test", "σας@ΣΑΣ.test", "ß@ß。test", "a@xn--strae-oqa.test", "markd@zarafa.com", "MarkD@Zarafa.COM", "a@b@c", "İ@example.test", "a@b..c", "\xff@x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { checkUserID(t, text) })
}

func checkUserID(t interface{ Fatalf(string, ...any) }, text string) {
	user, err := domain.ParseUserID(text)
	if err != nil {
		if !errors.Is(err, domain.ErrInvalidUser) {
			t.Fatalf("ParseUserID(%q) = %v", text, err)
		}
		return
	}
	if len(user) > domain.MaxUserID || !utf8.ValidString(string(user)) || strings.Count(string(user), "@") != 1 {
		t.Fatalf("ParseUserID(%q) accepts %q", text, user)
	}
	if again, err := domain.ParseUserID(string(user)); again != user || err != nil {
		t.Fatalf("%q is not canonical: ParseUserID makes %q of it, %v", user, again, err)
	}
	// A spelling that would make the id too long is left alone.
	for name, spelt := range map[string]string{
		"NFC": norm.NFC.String(text), "NFD": norm.NFD.String(text), "folded": cases.Fold().String(norm.NFC.String(text)), "in lower case": strings.ToLower(text),
	} {
		if same, err := domain.ParseUserID(spelt); err == nil && same != user && len(user) < domain.MaxUserID/4 {
			t.Fatalf("%q is %q, and %s it is %q", text, user, name, same)
		}
	}
	account, host := user.Split()
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		if same, err := domain.NewUserID(account, ascii); err == nil && same != user { // of "xn--" alone nothing would be left
			t.Fatalf("%q is %q, and in Punycode %q, %v", text, user, same, err)
		}
	}
	if joined, err := domain.NewUserID(account, host); joined != user || err != nil {
		t.Fatalf("%q does not survive Split: %q, %v", user, joined, err)
	}
}

func TestParseSignedIn(t *testing.T) {
	for name, want := range map[string]domain.UserID{
		"Mark@Zarafa.com": "mark@zarafa.com", "Σας@example.test": "σασ@example.test", "groß@example.test": "gross@example.test",
		"bo\u017fs@example.test": "", "\ufb03@example.test": "", "\ufb06an@example.test": "", "nobody": "",
	} {
		user, err := domain.ParseSignedIn(name)
		if user != want || (want == "") != errors.Is(err, domain.ErrInvalidUser) {
			t.Errorf("%s: %q, %v; want %q", name, user, err, want)
		}
	}
}
