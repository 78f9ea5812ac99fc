package xmpp

import (
	"strings"
	"testing"

	"github.com/zarafa/presence/domain"
)

func directoryOf(t testing.TB, jid string, change func(*Config)) directory {
	t.Helper()
	own, err := parseAccount(jid)
	if err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	change(&c)
	return newDirectory(c, own)
}

func mapped(c *Config)   { c.DomainMap = map[string]string{"chat.Example.test": "Example.test"} }
func stripped(c *Config) { c.StripDomain = true }

func TestUserOfJID(t *testing.T) {
	both := func(c *Config) {
		stripped(c)
		c.DomainMap = map[string]string{"chat.example.test": "zarafa.com"}
	}
	tests := []struct {
		name   string
		change func(*Config)
		bare   string
		want   string // empty: nobody
	}{
		{"plain", func(*Config) {}, "markd@chat.example.test", "markd@chat.example.test"},
		{"no account", func(*Config) {}, "chat.example.test", ""},
		{"empty account", func(*Config) {}, "@chat.example.test", ""},
		{"empty host", func(*Config) {}, "markd@", ""},
		{"apostrophe", func(*Config) {}, `d\27artagnan@example.test`, "d'artagnan@example.test"},
		{"escaped ampersand", func(*Config) {}, `r\26d@example.test`, "r&d@example.test"},
		{"escaped at sign", func(*Config) {}, `a\40b@example.test`, ""},
		{"escaped space", func(*Config) {}, `a\20b@example.test`, ""},
		{"escaped backslash", func(*Config) {}, `a\5c27b@example.test`, ""},
		{"no escape", func(*Config) {}, `a\zzb@example.test`, ""},
		{"half an escape", func(*Config) {}, `a\2@example.test`, ""},
		{"mapped", mapped, "markd@chat.example.test", "markd@example.test"},
		{"mapped and escaped", mapped, `d\27artagnan@chat.example.test`, "d'artagnan@example.test"},
		{"not mapped", mapped, "markd@other.test", "markd@other.test"},
		{"stripped", stripped, "markd@chat.example.test", "markd@example.test"},
		{"stripped on another host", stripped, "markd@other.test", "markd@example.test"},
		{"stripped to the id in the account", stripped, `markd\40example.test@chat.example.test`, "markd@example.test"},
		{"stripped to an id of a mapped domain", both, `markd\40zarafa.com@other.test`, "markd@zarafa.com"},
		{"stripped to an id of a domain that is not ours", stripped, `markd\40zarafa.com@chat.example.test`, ""},
		{"stripped and mapped", both, "markd@other.test", "markd@zarafa.com"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := directoryOf(t, "presence@chat.example.test", test.change).user(test.bare)
			if string(got) != test.want || ok != (test.want != "") {
				t.Errorf("%s is %q, %v; want %q", test.bare, got, ok, test.want)
			}
		})
	}
}

func TestParseAccount(t *testing.T) {
	for jid, want := range map[string]account{
		"Presence@Example.test":        {bare: "presence@example.test", host: "example.test", asciiOf: "example.test"},
		"presence@example.test/Desk/1": {bare: "presence@example.test", host: "example.test", asciiOf: "example.test", resource: "Desk/1"},
		"presence@müller.test":         {bare: "presence@müller.test", host: "müller.test", asciiOf: "xn--mller-kva.test"},
	} {
		if got, err := parseAccount(jid); err != nil || got != want {
			t.Errorf("%s is %+v, %v; want %+v", jid, got, err, want)
		}
	}
	for _, jid := range []string{"", "example.test", "@example.test", "a@", "a b@example.test", "a@b@c", "a,b@example.test", "a=b@example.test",
		"a@example..test", "a@exa mple.test", "a@example.test:5222", "a<b@example.test", "a@" + strings.Repeat("x", 2000), "a@example.test/\x00"} {
		if got, err := parseAccount(jid); err == nil {
			t.Errorf("%q is accepted: %+v", jid, got)
		}
	}
}

// FuzzJID: whatever the JID, the user is valid or nobody, and the account's own host decides as configured.
func FuzzJID(f *testing.F) {
	for _, seed := range []string{"markd@chat.example.test/phone", `d\27artagnan@example.test/a/b`, `a\40b@example.test`, "@", "/", "a@b@c", `\5c20\2`, "Ä@ö.test/ü", "a@[::1]"} {
		f.Add(seed)
	}
	plain := directoryOf(f, "presence@chat.example.test", func(*Config) {})
	to := directoryOf(f, "presence@chat.example.test", mapped)
	only := directoryOf(f, "presence@chat.example.test", stripped)
	f.Fuzz(func(t *testing.T, jid string) {
		bare, resource := splitJID(jid)
		if strings.Contains(bare, "/") || len(bare)+len(resource) > len(jid) {
			t.Fatalf("%q is split into %q and %q", jid, bare, resource)
		}
		bare = strings.ToLower(bare)
		legalParts(bare, resource)
		for _, d := range []directory{plain, to, only} {
			user, ok := d.user(bare)
			if !ok {
				continue
			}
			again, err := domain.ParseUserID(string(user))
			if err != nil || again != user {
				t.Fatalf("%q is the user %q, which is %q, %v", jid, user, again, err)
			}
			if _, host := user.Split(); d.hosts["chat.example.test"] != "" && host == "chat.example.test" {
				t.Fatalf("%q is the user %q on a host that is mapped", jid, user)
			}
		}
		if account, err := parseAccount(jid); err == nil && (account.bare == "" || account.asciiOf == "" || strings.ContainsAny(account.bare, "<>&'\" ")) {
			t.Fatalf("%q is accepted as %+v", jid, account)
		}
	})
}
