package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// Key is an entry of auth.keys: a token that is always the same, for a program that cannot make others. It is
//
//	zpk_<256 random bits in base64url (RFC 4648, section 5), without padding>
//
// and only its hash is kept. With 256 random bits a plain SHA-256 is enough: there is nothing to guess.
type Key struct {
	Name      string   `koanf:"name" help:"what logs call it: key:NAME"`
	Hash      string   `koanf:"hash" help:"sha256: and the hash of the key, as zarafa-presence key prints it"`
	Protocols []string `koanf:"protocols" help:"which client protocols it may set"`
	Users     []string `koanf:"users" help:"the users that it is about: ids, *@domain, group:NAME"`
	Read      bool     `koanf:"read" help:"it may also ask about these users"`
}

const (
	keyPrefix  = "zpk_"
	hashPrefix = "sha256:"
	keyBytes   = 32
	keySize    = len(keyPrefix) + 43 // in characters
)

// NewKey makes a key, and the hash by which the configuration knows it.
func NewKey() (key, hash string) {
	random := make([]byte, keyBytes)
	_, _ = rand.Read(random) // it never fails
	key = keyPrefix + base64.RawURLEncoding.EncodeToString(random)
	sum := sha256.Sum256([]byte(key))
	return key, hashPrefix + hex.EncodeToString(sum[:])
}

var keyName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// CheckKeyName refuses what cannot be the name of a key.
func CheckKeyName(name string) error {
	if !keyName.MatchString(name) {
		return fmt.Errorf("a key's name has up to 32 lower-case letters, digits and hyphens, a letter first; it is %q", name)
	}
	return nil
}

// knownKey is a key that is accepted.
type knownKey struct {
	hash      [sha256.Size]byte
	principal domain.Principal
}

// read returns what an entry means. The error has a line for each fault.
func (k Key) read(groups func(domain.UserID) []string) (knownKey, error) {
	faults := []error{CheckKeyName(k.Name)}
	allows := &domain.Key{Read: k.Read, Groups: groups}
	for _, name := range k.Protocols {
		protocol, err := domain.ParseProtocol(name)
		allows.Protocols, faults = append(allows.Protocols, protocol), append(faults, err)
	}
	users, err := domain.ParseUserList(k.Users)
	allows.Users, faults = users, append(faults, err)
	text, prefixed := strings.CutPrefix(k.Hash, hashPrefix)
	sum, err := hex.DecodeString(text)
	if !prefixed || err != nil || len(sum) != sha256.Size {
		faults = append(faults, errors.New("hash: expected sha256: and 64 hexadecimal digits, as zarafa-presence key prints it"))
	}
	switch {
	case len(k.Protocols) == 0 && !k.Read:
		faults = append(faults, errors.New("it may do nothing: list protocols, or set read: true"))
	case len(k.Users) == 0:
		faults = append(faults, errors.New("users: say whose presences it may set or ask for, e.g. [\"*@example.test\"]"))
	}
	known := knownKey{principal: domain.Principal{User: domain.UserID(domain.KeyPrefix + k.Name), Until: math.MaxInt64, Key: allows}}
	copy(known.hash[:], sum)
	return known, errors.Join(faults...)
}

// keys returns what all entries mean. The error has a line for each fault.
func (c Config) keys(groups func(domain.UserID) []string) (all []knownKey, _ error) {
	var faults []error
	for i, key := range c.Keys {
		known, err := key.read(groups)
		entry := setting.Entry("auth.keys", i, key.Name)
		twice := func(of func(Key) string) bool {
			return slices.ContainsFunc(c.Keys[:i], func(before Key) bool { return of(before) == of(key) })
		}
		switch {
		case err != nil:
			for line := range strings.SplitSeq(err.Error(), "\n") {
				faults = append(faults, fmt.Errorf("%s: %s", entry, line))
			}
		case twice(func(k Key) string { return k.Name }):
			faults = append(faults, fmt.Errorf("%s: two keys have this name", entry))
		case twice(func(k Key) string { return strings.ToLower(k.Hash) }):
			faults = append(faults, fmt.Errorf("%s: it is the same key as another one", entry))
		}
		all = append(all, known)
	}
	return all, errors.Join(faults...)
}

// verifyKey returns what a key allows. It takes the same time whichever key it is, and allocates only for an error.
func (r *rules) verifyKey(key string) (domain.Principal, error) {
	if len(key) != keySize {
		return domain.Principal{}, fmt.Errorf("%w: the key is malformed", domain.ErrUnauthenticated)
	}
	var text [keySize]byte
	copy(text[:], key)
	sum := sha256.Sum256(text[:])
	found := -1
	for i := range r.keys {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], r.keys[i].hash[:]), i, found)
	}
	if found < 0 {
		return domain.Principal{}, fmt.Errorf("%w: the key is not known, or was revoked (auth.keys)", domain.ErrUnauthenticated)
	}
	return r.keys[found].principal, nil
}
