package ports

import "github.com/zarafa/presence/domain"

// Tokens makes tokens and tells for which user they speak. It may be used concurrently.
type Tokens interface {
	// Issue makes a token for a user that is valid from now on, for as long as the configuration says.
	Issue(user domain.UserID) string

	// Verify returns for which principal a token speaks. A token that is malformed, forged, expired or dated in the future is a
	// domain.ErrUnauthenticated whose text says which of these and never contains the token or a secret.
	Verify(token string) (domain.Principal, error)

	// IssueCode makes a code for a user, for an address that a browser keeps: it can be exchanged for a token once, within 30 seconds.
	IssueCode(user domain.UserID) string

	// Exchange returns a token for a code's user. A code that is malformed, forged, expired, dated in the future or used before is a
	// domain.ErrUnauthenticated whose text says which of these and contains neither code nor secret; several daemons do not tell each other
	// which codes were used. It returns ErrUnavailable if too many codes were exchanged just now.
	Exchange(code string) (token string, err error)
}
