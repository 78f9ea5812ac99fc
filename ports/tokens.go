package ports

import (
	"errors"

	"github.com/zarafa/presence/domain"
)

// ErrUnverifiable says that nobody can tell now whether a token is good, and that it makes sense to ask again soon.
var ErrUnverifiable = errors.New("the token cannot be verified now")

// Verifier tells for which principal a token speaks. It may be used concurrently.
type Verifier interface {
	// Verify returns for which principal a token speaks. A token that is malformed, forged, expired or dated in the future is a
	// domain.ErrUnauthenticated whose text says which of these and never contains the token or a secret. Verify does not wait: what cannot be
	// told now is an ErrUnverifiable.
	Verify(token string) (domain.Principal, error)
}

// Principals tells what a user may do who has proved in another way than by one of our tokens who it is. It may be used concurrently.
type Principals interface {
	// Principal returns a user's principal. It holds for as long from now on as a token that is made now.
	Principal(user domain.UserID) domain.Principal
}

// Tokens makes tokens, and verifies them and all others that the daemon accepts. It may be used concurrently.
type Tokens interface {
	Verifier
	Principals

	// Issue makes a token for a user that is valid from now on, for as long as the configuration says.
	Issue(user domain.UserID) string

	// IssueCode makes a code for a user, for an address that a browser keeps: it can be exchanged for a token once, within 30 seconds.
	IssueCode(user domain.UserID) string

	// Exchange returns a token for a code's user. A code that is malformed, forged, expired, dated in the future or used before is a
	// domain.ErrUnauthenticated whose text says which of these and contains neither code nor secret; several daemons do not tell each other
	// which codes were used. It returns ErrUnavailable if too many codes were exchanged just now.
	Exchange(code string) (token string, err error)
}
