package ports

import "github.com/zarafa/presence/domain"

// Tokens makes tokens and tells for which user they speak. It may be used concurrently.
type Tokens interface {
	// Issue makes a token for a user that is valid from now on, for as long as the configuration says.
	Issue(user domain.UserID) string

	// Verify returns for which principal a token speaks. A token that is malformed, forged, expired or dated in the future is a
	// domain.ErrUnauthenticated whose text says which of these and never contains the token or a secret.
	Verify(token string) (domain.Principal, error)
}
