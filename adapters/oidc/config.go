package oidc

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/zarafa/presence/setting"
)

// Config is the section oidc of the configuration.
type Config struct {
	Issuer      string        `koanf:"issuer" help:"the OpenID provider by which people sign in, as its tokens spell it (iss), such as https://login.example.test/realms/office; empty: none"`
	ClientID    string        `koanf:"client_id" help:"what the provider calls the board: a public client with PKCE"`
	Audience    string        `koanf:"audience" help:"what the provider's tokens have to be for (aud); empty: client_id"`
	UserClaim   string        `koanf:"user_claim" help:"the claim that has the user's id, account@domain; email counts only with email_verified"`
	RoleClaim   string        `koanf:"role_claim" help:"the claim that has the user's roles: a list, or one text; realm_access.roles is a claim inside another"`
	ServiceRole string        `koanf:"service_role" help:"whoever has this role is a service, like those in auth.services; empty: nobody"`
	Roots       setting.Roots `koanf:"ca_file" help:"PEM file with the certificates to trust instead of the system's"`
}

// The claims of a user, and of whether the provider has verified the user's address.
const (
	claimEmail    = "email"
	claimVerified = "email_verified"
)

// DefaultConfig returns the defaults: no provider.
func DefaultConfig() Config { return Config{UserClaim: claimEmail, RoleClaim: "roles"} }

// Validate returns every fault, each naming its key. Without an issuer nothing else has an effect.
func (c Config) Validate() error {
	if c.Issuer == "" {
		return nil
	}
	var faults []error
	if err := checkURL(c.Issuer); err != nil {
		faults = append(faults, fmt.Errorf("oidc.issuer: %w", err))
	}
	if c.ClientID == "" {
		faults = append(faults, errors.New("oidc.client_id: it is missing: what the provider calls this daemon's board"))
	}
	if c.UserClaim == "" {
		faults = append(faults, errors.New("oidc.user_claim: it is missing: the claim that has the user's id, e.g. email"))
	}
	if c.RoleClaim == "" && c.ServiceRole != "" {
		faults = append(faults, errors.New("oidc.role_claim: it is missing: oidc.service_role needs it"))
	}
	return errors.Join(faults...)
}

// audience returns what tokens have to be for.
func (c Config) audience() string {
	if c.Audience != "" {
		return c.Audience
	}
	return c.ClientID
}

// checkURL refuses the address of anything of a provider that could be read or changed on the way. On this machine there is no way.
func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || strings.ContainsAny(u.Host, "'\"*,;") || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q is no address, e.g. https://login.example.test", text)
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return fmt.Errorf("%q must begin with https:// (http:// only on this machine)", text)
	}
	return nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && address.IsLoopback()
}
