package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/zarafa/presence/setting"
)

const (
	secretPrefix = "whsec_"
	minSecret    = 24 // bytes
	maxSecret    = 64
)

var errSecret = errors.New("expected whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)")

// decodeSecret returns the key that a secret stands for. Its error does not repeat it.
func decodeSecret(secret setting.Secret) ([]byte, error) {
	text, prefixed := strings.CutPrefix(secret.Reveal(), secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !prefixed || err != nil || len(key) < minSecret || len(key) > maxSecret {
		return nil, errSecret
	}
	return key, nil
}

// sign returns the header webhook-signature: a signature for each key.
func sign(keys [][]byte, id string, now time.Time, body []byte) string {
	signatures := make([]string, 0, len(keys))
	for _, key := range keys {
		sum := hmac.New(sha256.New, key)
		_, _ = sum.Write([]byte(id + "." + strconv.FormatInt(now.Unix(), 10) + ".")) // which takes everything
		_, _ = sum.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(sum.Sum(nil)))
	}
	return strings.Join(signatures, " ")
}
