package oidc

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/zarafa/presence/domain"
)

// userOf returns the user that a token's claims name.
func userOf(claims jwt.MapClaims, claim string) (domain.UserID, error) {
	name, ok := find(claims, claim).(string)
	if !ok {
		return "", fmt.Errorf("the token has no claim %s with the user's id (oidc.user_claim)", claim)
	}
	if claim == claimEmail && !verified(claims) {
		return "", fmt.Errorf("the provider has not verified the address in the token (%s)", claimVerified)
	}
	return domain.ParseSignedIn(name)
}

// verified reports whether the provider has verified the user's address. Some write true as a text.
func verified(claims jwt.MapClaims) bool {
	return claims[claimVerified] == true || claims[claimVerified] == "true"
}

// hasRole reports whether a claim has a role: it is a list of texts, or one text with words between spaces.
func hasRole(claims jwt.MapClaims, claim, role string) bool {
	if role == "" {
		return false
	}
	switch roles := find(claims, claim).(type) {
	case string:
		return roles == role || slices.Contains(strings.Fields(roles), role)
	case []any:
		return slices.Contains(roles, any(role))
	}
	return false
}

// find returns the value of a claim, or nil. A name with dots is the name of a claim as it is (https://example.test/roles), or else leads into claims
// that are inside others (realm_access.roles).
func find(claims map[string]any, name string) any {
	if value, ok := claims[name]; ok {
		return value
	}
	for at := range name {
		if name[at] != '.' {
			continue
		}
		if inner, ok := claims[name[:at]].(map[string]any); ok {
			if value := find(inner, name[at+1:]); value != nil {
				return value
			}
		}
	}
	return nil
}

// endOf returns the last moment at which a token holds.
func endOf(claims jwt.MapClaims, skew time.Duration) domain.Timestamp {
	end, err := claims.GetExpirationTime()
	if err != nil || end == nil {
		return 0 // the parser demands one
	}
	const last = math.MaxInt64/int64(time.Second) - 1
	if seconds := end.Unix(); seconds >= last-int64(skew/time.Second) {
		return math.MaxInt64
	}
	return domain.TimestampOf(end.Time).Add(skew)
}
