package auth

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// MinSecret is the shortest secret that is accepted, in characters, unless Config.AllowWeakSecret is set.
const MinSecret = 16

// The values of Config.Update.
const (
	UpdateSelf = "self" // a token's user may update that user alone
	UpdateAny  = "any"  // any valid token may update anybody, as in the original daemon
)

// howTo is how an administrator gets a good secret. Every refusal of a bad one ends with it.
const howTo = "make one with: openssl rand -base64 32"

// Config is the section auth of the configuration.
type Config struct {
	Secret          setting.Secret   `koanf:"secret" help:"shared secret that signs tokens, at least 16 characters (openssl rand -base64 32)"`
	OldSecrets      []setting.Secret `koanf:"old_secrets" help:"former secrets whose tokens are still accepted, while a new one is rolled out"`
	AllowWeakSecret bool             `koanf:"allow_weak_secret" help:"accept a short or well-known secret"`
	TokenExpire     time.Duration    `koanf:"token_expire" help:"how long a token is valid"`
	ClockSkew       time.Duration    `koanf:"clock_skew" help:"how far in the future a token may be dated, and the update of a presence before its times are moved"`
	Update          string           `koanf:"update" help:"who a token's user may update: self, or any (everybody)" choice:"self,any"`
	Services        []string         `koanf:"services" help:"users that may update everybody although auth.update is self, and watch, export and import everybody"`
	ProxyHeader     string           `koanf:"proxy_header" help:"the header in which the proxies of http.trusted_proxies name the user who has signed in there, such as X-Remote-User; empty: none"`
	SeeInvisible    []string         `koanf:"see_invisible" help:"services that see users who are invisible as they are: ids, *@domain, group:NAME"`
	Keys            []Key            `koanf:"keys" help:"static keys of programs that cannot make tokens, each with name, hash, protocols, users and read; made by zarafa-presence key"`
}

// DefaultConfig returns the defaults. A secret has none: it must be set.
func DefaultConfig() Config {
	return Config{TokenExpire: 5 * time.Minute, ClockSkew: 30 * time.Second, Update: UpdateSelf}
}

// Validate returns every fault that would keep New from succeeding, each naming its key and none containing a secret.
func (c Config) Validate() error {
	_, err := c.secrets()
	faults := []error{err}
	if c.TokenExpire <= 0 {
		faults = append(faults, fmt.Errorf("auth.token_expire: must be more than zero, e.g. 5m; it is %v", c.TokenExpire))
	}
	if c.ClockSkew < 0 {
		faults = append(faults, fmt.Errorf("auth.clock_skew: must not be negative; it is %v", c.ClockSkew))
	}
	if c.Update != UpdateSelf && c.Update != UpdateAny {
		faults = append(faults, fmt.Errorf("auth.update: must be %s or %s; it is %q", UpdateSelf, UpdateAny, c.Update))
	}
	for _, service := range c.Services {
		if _, err := domain.ParseUserID(service); err != nil {
			faults = append(faults, fmt.Errorf("auth.services: %w", err))
		}
	}
	faults = append(faults, checkProxyHeader(c.ProxyHeader))
	_, err = c.SeeInvisibleList()
	faults = append(faults, err)
	_, err = c.keys(nil)
	return errors.Join(append(faults, err)...)
}

// headerName is the form of a header in which a proxy can name users: nginx drops names with underscores.
var headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// otherHeaders are for something else, so they cannot name users. They are in lower case.
var otherHeaders = []string{"authorization", "connection", "cookie", "forwarded", "host", "origin", "referer", "te", "transfer-encoding", "upgrade", "user-agent", "via",
	"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-request-id"}

// checkProxyHeader refuses what cannot be the header in which a proxy names users.
func checkProxyHeader(name string) error {
	lower := strings.ToLower(name)
	if name == "" || headerName.MatchString(name) && !slices.Contains(otherHeaders, lower) && !strings.HasPrefix(lower, "content-") && !strings.HasPrefix(lower, "sec-") {
		return nil
	}
	return fmt.Errorf("auth.proxy_header: must be a header that only the proxy makes, of letters, digits and hyphens, e.g. X-Remote-User; it is %q", name)
}

// SeeInvisibleList reads the key see_invisible. The error has a line for each fault, which names the key.
func (c Config) SeeInvisibleList() (domain.UserList, error) {
	list, err := domain.ParseUserList(c.SeeInvisible)
	if err == nil {
		return list, nil
	}
	var faults []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		faults = append(faults, errors.New("auth.see_invisible: "+line))
	}
	return list, errors.Join(faults...)
}

// Warnings returns what an administrator should know about a configuration that is accepted, each naming its key and none containing a
// secret.
func (c Config) Warnings() (warnings []string) {
	strict := c
	strict.AllowWeakSecret = false
	_, accepted := c.secrets()
	if _, good := strict.secrets(); accepted == nil && good != nil {
		warnings = append(warnings, "auth.allow_weak_secret: anybody who guesses the secret can speak for every user; "+howTo)
	}
	if c.Update == UpdateAny {
		warnings = append(warnings, "auth.update: any lets every user change every other user's presence")
	}
	return warnings
}

// secrets returns all secrets, the current one first.
func (c Config) secrets() ([]string, error) {
	if c.Secret.IsZero() {
		return nil, errors.New("auth.secret: a secret is needed, here or in the file that auth.secret_file names; " + howTo)
	}
	var secrets []string
	var faults []error
	for i, secret := range append([]setting.Secret{c.Secret}, c.OldSecrets...) {
		secrets = append(secrets, secret.Reveal())
		switch err := c.check(secret.Reveal()); {
		case err != nil && i == 0:
			faults = append(faults, fmt.Errorf("auth.secret: %w", err))
		case err != nil:
			faults = append(faults, fmt.Errorf("%s: %w", setting.Entry("auth.old_secrets", i-1, ""), err))
		}
	}
	return secrets, errors.Join(faults...)
}

// published are secrets that stand in examples, of this daemon or others, or are the first that anybody would try. They are compared
// in lower case.
var published = []string{
	"0123456789abcdef", "1234567890123456", "admin", "changeme", "change me", "changemechangeme", "change-me-please", "default",
	"example", "geheim", "geheimgeheim", "insert secret here", "kopano", "kopano-presence", "my-secret", "mysecret", "none", "password",
	"passwordpassword", "presence", "secret", "secretsecret", "secretsecretsecret", "server_secret_key", "supersecret", "test",
	"topsecret", "verysecret", "your-secret-here", "your secret here", "zarafa", "zarafa-presence",
}

// minVariety is how many different characters a secret must have. Random ones, also of digits alone, hardly ever have fewer.
const minVariety = 6

// variety counts the different characters of a secret, without those that continue a run: of aaaa it counts one, of abcd or 4321 two.
func variety(secret string) int {
	different := map[rune]bool{}
	var last, step rune
	for i, r := range []rune(secret) {
		if i < 2 || r-last != step {
			different[r] = true
		}
		last, step = r, r-last
	}
	return len(different)
}

// check refuses a secret that can be guessed.
func (c Config) check(secret string) error {
	n := utf8.RuneCountInString(secret)
	switch {
	case n == 0:
		return errors.New("the secret is empty; " + howTo)
	case c.AllowWeakSecret:
		return nil
	case slices.Contains(published, strings.ToLower(strings.TrimSpace(secret))):
		return errors.New("the secret is a published example, so everybody knows it; " + howTo)
	case n >= MinSecret && variety(secret) < minVariety:
		return fmt.Errorf("the secret has too few different characters (runs such as aaa and abc do not count), at least %d are needed; %s "+
			"(an old site can set auth.allow_weak_secret: true)", minVariety, howTo)
	case n < MinSecret:
		return fmt.Errorf("the secret has %d characters, at least %d are needed; %s (an old site can set auth.allow_weak_secret: true)", n, MinSecret, howTo)
	}
	return nil
}
