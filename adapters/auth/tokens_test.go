package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports/portstest"
	"github.com/zarafa/presence/setting"
)

// The example that clients of the original daemon were written after.
const (
	exampleToken  = "1415697944:markd@zarafa.com:SLDJMBNNFNN5/RIXFJPXVKCKNV6SBHYGLFLE5G/TVLY="
	exampleSecret = "GEHEIM"
	exampleTime   = 1415697944
)

const secret = "correct horse battery staple"

// fixed is a clock that stands still.
type fixed domain.Timestamp

func (f fixed) Now() domain.Timestamp { return domain.Timestamp(f) }

func at(seconds int64) fixed { return fixed(seconds * int64(time.Second)) }

func config(change ...func(*auth.Config)) auth.Config {
	cfg := auth.DefaultConfig()
	cfg.Secret = setting.NewSecret(secret)
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

func newTokens(t interface {
	Helper()
	Fatal(...any)
}, cfg auth.Config, clock fixed) *auth.Tokens {
	t.Helper()
	tokens, err := auth.New(cfg, clock)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// sign makes a token independently of the code under test.
func sign(secret string, seconds int64, user string) string {
	signed := fmt.Sprintf("%d:%s", seconds, user)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + ":" + strings.ToUpper(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

func weak(cfg *auth.Config) { cfg.Secret, cfg.AllowWeakSecret = setting.NewSecret(exampleSecret), true }

func TestPublishedExample(t *testing.T) {
	tokens := newTokens(t, config(weak), at(exampleTime))
	if got := tokens.Issue("markd@zarafa.com"); got != exampleToken {
		t.Errorf("Issue = %s, want %s", got, exampleToken)
	}
	got, err := tokens.Verify(exampleToken)
	if want := (domain.Principal{User: "markd@zarafa.com", Until: domain.Timestamp(exampleTime * time.Second).Add(auth.DefaultConfig().TokenExpire)}); err != nil || got != want {
		t.Errorf("Verify = %v, %v, want %v", got, err, want)
	}
}

func TestTimeOfValidity(t *testing.T) {
	for _, test := range []struct {
		name  string
		after time.Duration // how long after the token's date it is verified
		valid bool
	}{
		{"at once", 0, true},
		{"at the last moment", 5 * time.Minute, true},
		{"a moment too late", 5*time.Minute + 1, false},
		{"a day too late", 24 * time.Hour, false},
		{"at the edge of the skew", -30 * time.Second, true},
		{"just beyond the skew", -30*time.Second - 1, false},
		{"a day too early", -24 * time.Hour, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := at(exampleTime) + fixed(test.after)
			_, err := newTokens(t, config(), now).Verify(sign(secret, exampleTime, "markd@zarafa.com"))
			if (err == nil) != test.valid {
				t.Errorf("Verify: %v, want valid: %t", err, test.valid)
			}
			if err != nil && !errors.Is(err, domain.ErrUnauthenticated) {
				t.Errorf("Verify: %v is not ErrUnauthenticated", err)
			}
		})
	}
}

func TestRefusedTokens(t *testing.T) {
	tokens := newTokens(t, config(), at(exampleTime))
	good := sign(secret, exampleTime, "markd@zarafa.com")
	for name, token := range map[string]string{
		"empty":                       "",
		"one part":                    "1415697944",
		"two parts":                   "1415697944:markd@zarafa.com",
		"colons only":                 "::",
		"no mac":                      "1415697944:markd@zarafa.com:",
		"no seconds":                  good[strings.Index(good, ":"):],
		"negative seconds":            "-" + good,
		"a sign":                      "+" + good,
		"a space before":              " " + good,
		"a space after":               good + " ",
		"a newline after":             good + "\n",
		"mac not in upper case":       strings.ToLower(good[len(good)-44:]),
		"mac cut short":               good[:len(good)-1],
		"mac of another secret":       sign("another secret, long enough", exampleTime, "markd@zarafa.com"),
		"another user":                strings.Replace(good, "markd", "alice", 1),
		"another time":                strings.Replace(good, "1415697944", "1415697945", 1),
		"another spelling of the id":  strings.Replace(good, "markd", "Markd", 1),
		"a leading zero":              "0" + good,
		"a NUL":                       strings.Replace(good, "markd", "mar\x00kd", 1),
		"the far future":              sign(secret, 9999999999, "markd@zarafa.com"),
		"seconds beyond 64 bits":      strings.Replace(good, "1415697944", "99999999999999999999999", 1),
		"signed, but no user id":      sign(secret, exampleTime, ""),
		"signed, but a bad user id":   sign(secret, exampleTime, "mark d@zarafa.com"),
		"signed, but a user too long": sign(secret, exampleTime, strings.Repeat("a", 321)+"@zarafa.com"),
		"huge":                        strings.Repeat("1:", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tokens.Verify(token)
			if !errors.Is(err, domain.ErrUnauthenticated) || got != (domain.Principal{}) {
				t.Fatalf("Verify = %v, %v, want ErrUnauthenticated", got, err)
			}
			if token != "" && strings.Contains(err.Error(), token) || strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells too much: %v", err)
			}
		})
	}
}

func TestOldSecretsVerifyAndTheCurrentOneSigns(t *testing.T) {
	const old, older = "the secret before this one", "the secret before that one"
	tokens := newTokens(t, config(func(c *auth.Config) {
		c.OldSecrets = []setting.Secret{setting.NewSecret(old), setting.NewSecret(older)}
	}), at(exampleTime))
	for _, s := range []string{secret, old, older} {
		if _, err := tokens.Verify(sign(s, exampleTime, "markd@zarafa.com")); err != nil {
			t.Errorf("a token made with %q: %v", s, err)
		}
	}
	if got, want := tokens.Issue("markd@zarafa.com"), sign(secret, exampleTime, "markd@zarafa.com"); got != want {
		t.Errorf("Issue = %s, want %s", got, want)
	}
}

func TestWhoMayUpdateWhom(t *testing.T) {
	services := func(c *auth.Config) { c.Services = []string{"Meetings@zarafa.com"} }
	anybody := func(c *auth.Config) { c.Update = auth.UpdateAny }
	for _, test := range []struct {
		name   string
		cfg    auth.Config
		user   string
		others bool
	}{
		{"a user", config(services), "markd@zarafa.com", false},
		{"a service", config(services), "meetings@zarafa.com", true},
		{"a service in another case", config(services), "MEETINGS@Zarafa.com", true},
		{"a user where any may", config(anybody), "markd@zarafa.com", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			who, err := newTokens(t, test.cfg, at(exampleTime)).Verify(sign(secret, exampleTime, test.user))
			if err != nil {
				t.Fatal(err)
			}
			if own := domain.UserID(strings.ToLower(test.user)); who.User != own || who.MayUpdate(own, domain.Protocol{}) != nil {
				t.Errorf("%v may not update itself", who)
			}
			if err := who.MayUpdate("alice@zarafa.com", domain.Protocol{}); (err == nil) != test.others {
				t.Errorf("updating another: %v, want allowed: %t", err, test.others)
			}
		})
	}
}

func TestVerifyAndIssueConcurrently(t *testing.T) {
	tokens := newTokens(t, config(func(c *auth.Config) { c.OldSecrets = []setting.Secret{setting.NewSecret("the secret before this one")} }), at(exampleTime))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			user := domain.UserID(fmt.Sprintf("user%d@zarafa.com", i))
			for range 500 {
				if who, err := tokens.Verify(tokens.Issue(user)); err != nil || who.User != user {
					t.Errorf("Verify = %v, %v, want %s", who, err, user)
					return
				}
			}
		})
	}
	all.Wait()
}

// Whatever was verified before, and however often: the answer is that of new Tokens.
func TestVerifyingChangesNothing(t *testing.T) {
	const old = "the secret before this one"
	rapid.Check(t, func(t *rapid.T) {
		cfg := config(func(c *auth.Config) {
			c.OldSecrets, c.Services, c.TokenExpire, c.ClockSkew = []setting.Secret{setting.NewSecret(old)}, []string{"b@zarafa.com"}, 20*time.Second, 5*time.Second
		})
		clock := portstest.NewSetClock()
		begin := clock.Now().Time().Unix()
		tokens, err := auth.New(cfg, clock)
		if err != nil {
			t.Fatal(err)
		}
		shown := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			by := rapid.SampledFrom([]string{secret, old, "another secret, long enough"}).Draw(t, "secret")
			user := rapid.SampledFrom([]string{"a@zarafa.com", "A@zarafa.com", "b@zarafa.com", "B@Zarafa.com", "nobody", ""}).Draw(t, "user")
			token := []byte(sign(by, begin+rapid.Int64Range(-10, 10).Draw(t, "seconds"), user))
			if rapid.IntRange(0, 3).Draw(t, "damage") == 0 {
				token[rapid.IntRange(0, len(token)-1).Draw(t, "index")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			}
			return string(token)
		}), 1, 5).Draw(t, "tokens")
		for range rapid.IntRange(1, 40).Draw(t, "times") {
			clock.Advance(rapid.SampledFrom([]time.Duration{0, 0, 0, 1, time.Second, -time.Second, 15 * time.Second}).Draw(t, "passed"))
			token := rapid.SampledFrom(shown).Draw(t, "token")
			got, err := tokens.Verify(token)
			want, wantErr := newTokens(t, cfg, fixed(clock.Now())).Verify(token)
			if got != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("Verify(%q) = %v, %v, want %v, %v", token, got, err, want, wantErr)
			}
		}
	})
}

// Many tokens, in any order, are all told apart.
func TestManyTokens(t *testing.T) {
	tokens := newTokens(t, config(), at(exampleTime))
	for round := range 4 {
		for i := range 5000 {
			user := domain.UserID(fmt.Sprintf("user%d@zarafa.com", i*(2*round+1)%5000))
			for range 1 + i%3 {
				if who, err := tokens.Verify(tokens.Issue(user)); err != nil || who.User != user {
					t.Fatalf("Verify = %v, %v, want %s", who, err, user)
				}
			}
		}
	}
}

// A token is a view of a request's buffer, which the next request overwrites.
func TestNothingOfATokenIsKept(t *testing.T) {
	tokens := newTokens(t, config(), at(exampleTime))
	good := sign(secret, exampleTime, "markd@zarafa.com")
	buffer := []byte(good)
	for range 3 {
		if _, err := tokens.Verify(unsafe.String(&buffer[0], len(buffer))); err != nil {
			t.Fatal(err)
		}
	}
	who, err := tokens.Verify(good)
	if err != nil {
		t.Fatal(err)
	}
	copy(buffer, strings.Replace(good, "markd", "alice", 1))
	if got, err := tokens.Verify(good); err != nil || got.User != "markd@zarafa.com" || who.User != "markd@zarafa.com" {
		t.Errorf("Verify = %v, %v; before, %v", got, err, who)
	}
	if got, err := tokens.Verify(string(buffer)); err == nil {
		t.Errorf("a forged token: %v", got)
	}
}

// userIDs draws ids that domain.ParseUserID accepts unchanged, colons included.
func userIDs() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-zäø0-9._:+-]{1,20}@[a-z0-9]{1,10}(\.[a-z]{1,5}){0,2}`)
}

func TestWhatIsIssuedIsVerifiedWhileItLasts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := domain.UserID(userIDs().Draw(t, "user"))
		issued := rapid.Int64Range(0, 4e9).Draw(t, "issued")
		cfg := config(func(c *auth.Config) {
			c.TokenExpire = time.Duration(rapid.Int64Range(1, 1e6).Draw(t, "expire")) * time.Second
			c.ClockSkew = time.Duration(rapid.Int64Range(0, 1e6).Draw(t, "skew")) * time.Second
		})
		age := time.Duration(rapid.Int64Range(-2e6, 2e6).Draw(t, "age")) * time.Second
		token := newTokens(t, cfg, at(issued)).Issue(user)
		if want := sign(secret, issued, string(user)); token != want {
			t.Fatalf("Issue = %s, want %s", token, want)
		}
		who, err := newTokens(t, cfg, at(issued)+fixed(age)).Verify(token)
		if valid := age <= cfg.TokenExpire && -age <= cfg.ClockSkew; valid != (err == nil) {
			t.Fatalf("Verify at an age of %v: %v, want valid: %t", age, err, valid)
		}
		if err == nil && who.User != user {
			t.Fatalf("Verify = %v, want %s", who, user)
		}
	})
}

func TestAChangedByteIsRefused(t *testing.T) {
	tokens := newTokens(t, config(), at(exampleTime))
	rapid.Check(t, func(t *rapid.T) {
		token := []byte(sign(secret, exampleTime, userIDs().Draw(t, "user")))
		i := rapid.IntRange(0, len(token)-1).Draw(t, "index")
		b := rapid.Byte().Filter(func(b byte) bool { return b != token[i] }).Draw(t, "byte")
		token[i] = b
		if who, err := tokens.Verify(string(token)); err == nil {
			t.Fatalf("Verify(%q) = %v", token, who)
		}
	})
}

func FuzzVerify(f *testing.F) {
	tokens := newTokens(f, config(weak), at(exampleTime))
	f.Add(exampleToken)
	f.Add("::")
	f.Add("1415697944:a:b@c:" + strings.Repeat("A", 44))
	f.Fuzz(func(t *testing.T, token string) {
		who, err := tokens.Verify(token)
		for range 2 {
			if again, errAgain := tokens.Verify(token); again != who || fmt.Sprint(errAgain) != fmt.Sprint(err) {
				t.Fatalf("Verify(%q) = %v, %v; again: %v, %v", token, who, err, again, errAgain)
			}
		}
		if err != nil {
			if !errors.Is(err, domain.ErrUnauthenticated) || who != (domain.Principal{}) {
				t.Fatalf("Verify(%q) = %v, %v", token, who, err)
			}
			return
		}
		stamp, rest, _ := strings.Cut(token, ":")
		var seconds int64
		if _, err := fmt.Sscan(stamp, &seconds); err != nil {
			t.Fatalf("Verify(%q) accepted seconds that are none", token)
		}
		user := rest[:strings.LastIndex(rest, ":")]
		if token != sign(exampleSecret, seconds, user) || !strings.EqualFold(user, string(who.User)) {
			t.Fatalf("Verify(%q) = %v, but it is not a token", token, who)
		}
	})
}

// BenchmarkVerify shows one token again and again, or many in turns.
func BenchmarkVerify(b *testing.B) {
	for _, olds := range []int{0, 2} {
		for _, users := range []int{1, 1 << 15} {
			b.Run(fmt.Sprintf("old_secrets=%d/tokens=%d", olds, users), func(b *testing.B) {
				cfg := config()
				for i := range olds {
					cfg.OldSecrets = append(cfg.OldSecrets, setting.NewSecret(fmt.Sprintf("the secret before this one, %d", i)))
				}
				tokens := newTokens(b, cfg, at(exampleTime))
				shown := make([]string, users)
				for i := range shown {
					shown[i] = tokens.Issue(domain.UserID(fmt.Sprintf("markd%d@zarafa.com", i)))
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if _, err := tokens.Verify(shown[i%users]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// What a configuration changes holds for every token from then on; one with faults changes nothing.
func TestConfigure(t *testing.T) {
	clock := portstest.NewSetClock()
	cfg := config(func(c *auth.Config) { c.Services = []string{string(bob)} })
	tokens, err := auth.New(cfg, clock)
	if err != nil {
		t.Fatal(err)
	}
	token, service := tokens.Issue(alice), tokens.Issue(bob)
	bad := cfg
	bad.Secret, bad.TokenExpire = setting.NewSecret("short"), time.Nanosecond
	if err := tokens.Configure(bad); err == nil || !strings.Contains(err.Error(), "auth.secret") {
		t.Errorf("a short secret: %v", err)
	}
	if by, err := tokens.Verify(service); err != nil || !by.Service || by.Until != clock.Now().Add(cfg.TokenExpire) {
		t.Errorf("after a configuration that was refused: %+v, %v", by, err)
	}
	next := cfg
	next.Secret, next.OldSecrets, next.Services = setting.NewSecret("a secret for the next years"), []setting.Secret{cfg.Secret}, nil
	if err := tokens.Configure(next); err != nil {
		t.Fatal(err)
	}
	fresh := tokens.Issue(alice)
	if by, err := tokens.Verify(service); err != nil || by.Service || by.Any {
		t.Errorf("who is no service any more: %+v, %v", by, err)
	}
	next.OldSecrets = nil
	if err := tokens.Configure(next); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Verify(token); err == nil || !strings.Contains(err.Error(), "forged, or made with another secret") {
		t.Errorf("of a secret that is gone: %v", err)
	}
	if by, err := tokens.Verify(fresh); err != nil || by.User != alice {
		t.Errorf("of the new secret: %+v, %v", by, err)
	}
}
