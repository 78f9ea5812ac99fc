package auth_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/domain"
)

var phone = domain.MustProtocol("phone")

func TestNewKey(t *testing.T) {
	key, hash := auth.NewKey()
	sum := sha256.Sum256([]byte(key))
	if !regexp.MustCompile(`^zpk_[A-Za-z0-9_-]{43}$`).MatchString(key) || hash != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Errorf("%s %s", key, hash)
	}
	if again, _ := auth.NewKey(); again == key {
		t.Error("it is the same key again")
	}
}

// Each key speaks for itself, with what it allows, beside the signed tokens. A key that is taken away is accepted no longer.
func TestKeys(t *testing.T) {
	pbx, pbxHash := auth.NewKey()
	wall, wallHash := auth.NewKey()
	stranger, _ := auth.NewKey()
	cfg := config(func(c *auth.Config) {
		c.Update = auth.UpdateAny
		c.Keys = []auth.Key{
			{Name: "pbx", Hash: pbxHash, Protocols: []string{"phone"}, Users: []string{"*@example.test"}},
			{Name: "wall", Hash: strings.Replace(strings.ToUpper(wallHash), "SHA", "sha", 1), Users: []string{"*@example.test"}, Read: true},
		}
	})
	tokens := newTokens(t, cfg, at(exampleTime))
	by, err := tokens.Verify(pbx)
	if err != nil || by.User != "key:pbx" || by.Service || by.MayUpdate("alice@example.test", phone) != nil || by.MayUpdate("bob@zarafa.com", phone) == nil || by.MayRead(nil) == nil {
		t.Errorf("pbx is %+v, %v", by, err)
	}
	if allocated := testing.AllocsPerRun(100, func() { _, _ = tokens.Verify(pbx) }); allocated != 0 {
		t.Errorf("a key is verified with %v allocations", allocated)
	}
	if by, err = tokens.Verify(wall); err != nil || by.User != "key:wall" || by.MayUpdate("alice@example.test", phone) == nil || by.MayRead([]string{"alice@example.test"}) != nil {
		t.Errorf("wall is %+v, %v", by, err)
	}
	if by, err = tokens.Verify(tokens.Issue(alice)); err != nil || by.Key != nil {
		t.Errorf("alice is %+v, %v", by, err)
	}
	for _, bad := range []string{stranger, pbx + "A", pbx[:len(pbx)-1], strings.ToLower(pbx), "zpk_", pbxHash, "zpk_" + strings.Repeat("\x00", 43)} {
		if by, err := tokens.Verify(bad); !errors.Is(err, domain.ErrUnauthenticated) || by.Key != nil || by.User != "" || strings.Contains(err.Error(), bad) && bad != "zpk_" {
			t.Errorf("%q is %+v, %v", bad, by, err)
		}
	}
	cfg.Keys = cfg.Keys[1:]
	if err := tokens.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Verify(pbx); !errors.Is(err, domain.ErrUnauthenticated) || !strings.Contains(err.Error(), "revoked") {
		t.Errorf("a key that was taken away: %v", err)
	}
	if _, err := tokens.Verify(wall); err != nil {
		t.Errorf("the other one: %v", err)
	}
}

// groups is a ports.Groups.
type groups map[domain.UserID][]string

func (g groups) Groups(user domain.UserID) []string { return g[user] }

// Who is in a group is asked anew each time.
func TestKeyOfGroup(t *testing.T) {
	key, hash := auth.NewKey()
	cfg := config(func(c *auth.Config) {
		c.Keys = []auth.Key{{Name: "desk", Hash: hash, Protocols: []string{"phone"}, Users: []string{"group:helpdesk"}}}
	})
	in := groups{}
	tokens, err := auth.NewWithGroups(cfg, at(exampleTime), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{false, true} {
		if by, err := tokens.Verify(key); err != nil || (by.MayUpdate(alice, phone) == nil) != want {
			t.Errorf("alice may be set: %v", !want)
		}
		in[alice] = []string{"helpdesk"}
	}
}

func TestFaultyKeys(t *testing.T) {
	_, hash := auth.NewKey()
	_, other := auth.NewKey()
	good := auth.Key{Name: "pbx", Hash: hash, Protocols: []string{"phone"}, Users: []string{"*@example.test"}}
	for want, change := range map[string]func(*auth.Key){
		`auth.keys: entry 2 (Wall): a key's name has up to 32 lower-case letters`:         func(k *auth.Key) { k.Name = "Wall" },
		`auth.keys: entry 2 (pbx): two keys have this name`:                               func(k *auth.Key) { k.Name = "pbx" },
		`auth.keys: entry 2 (wall): it is the same key as another one`:                    func(k *auth.Key) { k.Hash = hash },
		`auth.keys: entry 2 (wall): hash: expected sha256: and 64 hexadecimal digits`:     func(k *auth.Key) { k.Hash = other[7:] },
		`auth.keys: entry 2 (wall): hash: expected sha256: and 64`:                        func(k *auth.Key) { k.Hash = other[:60] },
		`auth.keys: entry 2 (wall): invalid protocol name "Phone"`:                        func(k *auth.Key) { k.Protocols = []string{"Phone"} },
		`auth.keys: entry 2 (wall): it may do nothing: list protocols, or set read: true`: func(k *auth.Key) { k.Protocols = nil },
		`auth.keys: entry 2 (wall): users: say whose presences it may set`:                func(k *auth.Key) { k.Users = nil },
		`auth.keys: entry 2 (wall): invalid user "alice"`:                                 func(k *auth.Key) { k.Users = []string{"alice"} },
		"": func(*auth.Key) {},
	} {
		key := good
		key.Name, key.Hash = "wall", other
		change(&key)
		err := config(func(c *auth.Config) { c.Keys = []auth.Key{good, key} }).Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func FuzzVerifyKey(f *testing.F) {
	key, hash := auth.NewKey()
	tokens := newTokens(f, config(func(c *auth.Config) {
		c.Keys = []auth.Key{{Name: "pbx", Hash: hash, Protocols: []string{"phone"}, Users: []string{"*@example.test"}}}
	}), at(exampleTime))
	f.Add(key)
	f.Add("zpk_")
	f.Fuzz(func(t *testing.T, token string) {
		if by, err := tokens.Verify(token); (err == nil) != (token == key) {
			t.Errorf("%q is %+v, %v", token, by, err)
		}
	})
}
