package auth

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// A code is
//
//	code:<unix seconds>:<random>:<user id>:<mac>
//
// where mac is made as that of a token, over all before it. No code is a token, for a token begins with digits; and no token is a code.
const codePrefix = "code:"

const (
	codeLife  = 30 * time.Second
	nonceSize = 8      // bytes, twice as many characters
	maxUsed   = 10_000 // codes that are remembered at a time, about 1 MB
)

// MaxCode is the longest code that can be valid, in bytes.
const MaxCode = len(codePrefix) + 2*nonceSize + 1 + MaxToken

// usedCodes remembers the codes that were exchanged, for as long as they would hold.
type usedCodes struct {
	mu    sync.Mutex
	until map[string]domain.Timestamp // by the code's random part
}

// IssueCode makes a code for a user with the current secret.
func (t *Tokens) IssueCode(user domain.UserID) string {
	var random [nonceSize]byte
	_, _ = rand.Read(random[:]) // never fails
	signed := codePrefix + strconv.FormatInt(int64(t.clock.Now())/int64(time.Second), 10) + ":" + hex.EncodeToString(random[:]) + ":" + string(user)
	r := t.rules.Load()
	s := r.signers.Get().(*signer)
	defer r.signers.Put(s)
	return signed + ":" + string(s.sign(0, signed))
}

// Exchange returns a token for a code's user, once. Only genuine codes are remembered, so nobody without the secret can make it remember anything.
func (t *Tokens) Exchange(code string) (string, error) {
	stamp, nonce, name, signed, mac, ok := splitCode(code)
	if !ok {
		return "", fmt.Errorf("%w: the code is malformed", domain.ErrUnauthenticated)
	}
	r := t.rules.Load()
	if !r.genuine(signed, mac) {
		return "", fmt.Errorf("%w: the code is forged, or made with another secret", domain.ErrUnauthenticated)
	}
	user, err := domain.ParseUserID(name)
	if err != nil {
		return "", fmt.Errorf("%w: the code is for an %w", domain.ErrUnauthenticated, err)
	}
	now := t.clock.Now()
	if age := time.Duration(now - stamp); age > codeLife {
		return "", fmt.Errorf("%w: the code has expired: it is %v old, at most %v is allowed", domain.ErrUnauthenticated, age.Round(time.Second), codeLife)
	}
	if ahead := time.Duration(stamp - now); ahead > r.skew {
		return "", fmt.Errorf("%w: the code is dated %v in the future, at most %v is allowed: compare the clocks", domain.ErrUnauthenticated,
			ahead.Round(time.Second), r.skew)
	}
	if err := t.used.use(nonce, stamp.Add(codeLife), now); err != nil {
		return "", err
	}
	return t.Issue(user), nil
}

// use remembers that a code is used until it ends.
func (u *usedCodes) use(nonce string, end, now domain.Timestamp) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, used := u.until[nonce]; used {
		return fmt.Errorf("%w: the code has been used: each is valid once", domain.ErrUnauthenticated)
	}
	if len(u.until) >= maxUsed {
		for old, end := range u.until {
			if end < now {
				delete(u.until, old)
			}
		}
	}
	if len(u.until) >= maxUsed {
		return fmt.Errorf("%w: too many codes were exchanged just now", ports.ErrUnavailable)
	}
	if u.until == nil {
		u.until = map[string]domain.Timestamp{}
	}
	u.until[strings.Clone(nonce)] = end
	return nil
}

// splitCode takes a code apart.
func splitCode(code string) (stamp domain.Timestamp, nonce, name, signed, mac string, ok bool) {
	last := strings.LastIndexByte(code, ':')
	parts := strings.SplitN(code, ":", 4)
	if len(code) > MaxCode || len(parts) < 4 || parts[0]+":" != codePrefix || len(parts[2]) != 2*nonceSize {
		return 0, "", "", "", "", false
	}
	seconds, err := strconv.ParseUint(parts[1], 10, 64) // takes digits only: no sign, no space
	before := len(codePrefix) + len(parts[1]) + 1 + len(parts[2]) + 1
	if err != nil || seconds > lastSecond || last < before || len(code)-last-1 != macSize {
		return 0, "", "", "", "", false
	}
	return domain.Timestamp(seconds) * domain.Timestamp(time.Second), parts[2], code[before:last], code[:last], code[last+1:], true
}
