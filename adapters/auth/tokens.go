// Package auth makes and verifies the tokens by which a client proves which user it speaks for: whoever knows the shared secret, usually
// the groupware server that a user has logged in to, makes them for its users.
//
// A token is
//
//	<unix seconds>:<user id>:<mac>
//
// where mac is the base64 form (RFC 4648, section 4) of HMAC-SHA256 (RFC 2104) over "<unix seconds>:<user id>", in upper case. Folding
// the case costs about 35 of the mac's 256 bits, and is kept because existing clients make their tokens so.
//
// A static key is another form of token: see Key.
//
// Package http calls it through ports.Tokens, and so does the command that prints a token.
package auth

import (
	"crypto/subtle"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// MaxToken is the longest token that can be valid, in bytes.
const MaxToken = maxSeconds + 1 + domain.MaxUserID + 1 + macSize

// maxSeconds is the number of digits of the seconds: enough until the year 2262, when a domain.Timestamp ends.
const maxSeconds = 10

// lastSecond is the last one that a domain.Timestamp can hold.
const lastSecond = (1<<63 - 1) / uint64(time.Second)

// Tokens makes and verifies tokens. It may be used concurrently.
type Tokens struct {
	clock  ports.Clock
	groups func(domain.UserID) []string // in which a user is; nil: nobody is in any
	rules  atomic.Pointer[rules]
	used   usedCodes
}

// rules are what a configuration says of tokens. They do not change.
type rules struct {
	expire   time.Duration
	skew     time.Duration
	any      bool
	services map[domain.UserID]bool
	keys     []knownKey
	signers  sync.Pool // of *signer, for reuse: keying a hash costs more than using it
}

// New returns an error that names every fault of cfg if it has any: above all a secret that is missing or weak.
func New(cfg Config, clock ports.Clock) (*Tokens, error) {
	t := &Tokens{clock: clock}
	return t, t.Configure(cfg)
}

// NewWithGroups is New for keys that may list groups.
func NewWithGroups(cfg Config, clock ports.Clock, groups ports.Groups) (*Tokens, error) {
	t := &Tokens{clock: clock, groups: groups.Groups}
	return t, t.Configure(cfg)
}

// Configure has every call that begins later follow another configuration. If that has faults, they are returned, and nothing changes.
func (t *Tokens) Configure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	secrets, _ := cfg.secrets() // Validate has looked
	keys, _ := cfg.keys(t.groups)
	r := &rules{
		expire:   cfg.TokenExpire,
		skew:     cfg.ClockSkew,
		any:      cfg.Update == UpdateAny,
		services: make(map[domain.UserID]bool),
		keys:     keys,
		signers:  sync.Pool{New: func() any { return newSigner(secrets) }},
	}
	for _, service := range cfg.Services {
		user, _ := domain.ParseUserID(service)
		r.services[user] = true
	}
	t.rules.Store(r)
	return nil
}

// Issue makes a token for a user with the current secret. It is dated with the second that has begun, so up to one second
// of its time is over already.
func (t *Tokens) Issue(user domain.UserID) string {
	signed := strconv.FormatInt(int64(t.clock.Now())/int64(time.Second), 10) + ":" + string(user)
	r := t.rules.Load()
	s := r.signers.Get().(*signer)
	defer r.signers.Put(s)
	return signed + ":" + string(s.sign(0, signed))
}

// Verify returns who a token speaks for. Its form says which kind of token it is.
func (t *Tokens) Verify(token string) (domain.Principal, error) {
	if strings.HasPrefix(token, keyPrefix) {
		return t.rules.Load().verifyKey(token)
	}
	return t.verifySigned(token)
}

// verifySigned returns the user that a signed token speaks for. The user's name is compared in lower case everywhere, but the mac is over the name as
// the token spells it. It takes the same time whichever secret made the token, and allocates only for an error and for a user name with
// upper-case letters.
func (t *Tokens) verifySigned(token string) (domain.Principal, error) {
	stamp, name, signed, mac, ok := split(token)
	if !ok || len(token) > MaxToken {
		return domain.Principal{}, fmt.Errorf("%w: the token is malformed", domain.ErrUnauthenticated)
	}
	r := t.rules.Load()
	if !r.genuine(signed, mac) {
		return domain.Principal{}, fmt.Errorf("%w: the token is forged, or made with another secret", domain.ErrUnauthenticated)
	}
	user, err := domain.ParseUserID(name)
	if err != nil {
		return domain.Principal{}, fmt.Errorf("%w: the token is for an %w", domain.ErrUnauthenticated, err)
	}
	now := t.clock.Now()
	if age := time.Duration(now - stamp); age > r.expire {
		return domain.Principal{}, fmt.Errorf("%w: the token has expired: it is %v old, at most %v is allowed", domain.ErrUnauthenticated,
			age.Round(time.Second), r.expire)
	}
	if ahead := time.Duration(stamp - now); ahead > r.skew {
		return domain.Principal{}, fmt.Errorf("%w: the token is dated %v in the future, at most %v is allowed: compare the clocks", domain.ErrUnauthenticated,
			ahead.Round(time.Second), r.skew)
	}
	return r.principal(user, stamp), nil
}

// Principal returns a user's principal, from now on for auth.token_expire.
func (t *Tokens) Principal(user domain.UserID) domain.Principal {
	return t.rules.Load().principal(user, t.clock.Now())
}

// principal returns a user's principal, from a moment on.
func (r *rules) principal(user domain.UserID, from domain.Timestamp) domain.Principal {
	service := r.services[user]
	return domain.Principal{User: user, Any: r.any || service, Service: service, Until: from.Add(r.expire)}
}

// genuine reports whether any secret makes this mac. It always tries all of them.
func (r *rules) genuine(signed, mac string) bool {
	s := r.signers.Get().(*signer)
	defer r.signers.Put(s)
	copy(s.given[:], mac)
	match := 0
	for i := range s.hashes {
		match |= subtle.ConstantTimeCompare(s.sign(i, signed), s.given[:])
	}
	return match == 1
}

// split takes a token apart. A user id may contain a colon; neither the seconds nor the mac can.
func split(token string) (stamp domain.Timestamp, name, signed, mac string, ok bool) {
	first, last := strings.IndexByte(token, ':'), strings.LastIndexByte(token, ':')
	if first == last { // or there is none
		return 0, "", "", "", false
	}
	seconds, err := strconv.ParseUint(token[:first], 10, 64) // takes digits only: no sign, no space
	signed, mac = token[:last], token[last+1:]
	if err != nil || first > maxSeconds || seconds > lastSecond || len(mac) != macSize {
		return 0, "", "", "", false
	}
	return domain.Timestamp(seconds) * domain.Timestamp(time.Second), token[first+1 : last], signed, mac, true
}
