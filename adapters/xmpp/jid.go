package xmpp

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/zarafa/presence/domain"
)

// maxPart is the longest account, host or resource, in bytes (RFC 7622, 3.2 to 3.4).
const maxPart = 1023

// account is the JID of the account that watches, taken apart.
type account struct {
	bare     string // account@host, in lower case
	host     string
	resource string // asked for; the server chooses one if it is empty
	asciiOf  string // host as DNS and certificates write it
}

// parseAccount reads a JID from the configuration: account@host, or account@host/resource.
func parseAccount(s string) (account, error) {
	bare, resource := splitJID(s)
	bare = strings.ToLower(bare)
	name, host, found := strings.Cut(bare, "@")
	switch {
	case !found || name == "":
		return account{}, fmt.Errorf("%q is not account@domain", s)
	case !utf8.ValidString(s) || !legalParts(bare, resource) || strings.ContainsAny(name, "\"&'/:<>@ "):
		return account{}, fmt.Errorf("%q is not a valid JID", s)
	case strings.ContainsAny(name, ",="):
		return account{}, fmt.Errorf("%q: go-xmpp cannot log in to an account with a comma or an equals sign", s)
	}
	if err := checkHost(host); err != nil {
		return account{}, err
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return account{}, fmt.Errorf("%q is not a host name: %w", host, err)
	}
	return account{bare: bare, host: host, resource: resource, asciiOf: ascii}, nil
}

// checkHost refuses what cannot be the host of a JID or the domain of a user.
func checkHost(host string) error {
	if _, err := domain.NewUserID("a", host); err != nil || strings.ContainsAny(host, ":,;*") {
		return fmt.Errorf("%q is not a host name", host)
	}
	return nil
}

// splitJID splits a JID at the first slash: neither account nor host can contain one (RFC 7622, 3.1).
func splitJID(s string) (bare, resource string) {
	bare, resource, _ = strings.Cut(s, "/")
	return bare, resource
}

// hostOf returns the host of a bare JID, or nothing if there is no account before it: a server or a component, not a user.
func hostOf(bare string) string {
	_, host, _ := strings.Cut(bare, "@")
	return host
}

// legalParts reports whether the parts of a JID, which are valid UTF-8, keep to the length limits and are text.
func legalParts(bare, resource string) bool {
	return len(bare) <= 2*maxPart+1 && len(resource) <= maxPart && !strings.ContainsFunc(resource, unicode.IsControl)
}

// directory turns JIDs into users, by the configuration.
type directory struct {
	hosts map[string]string // domain_map, in lower case
	only  string            // with strip_domain the domain of every user: what domain_map says of the jid's, else the jid's without "chat."
}

func newDirectory(c Config, own account) directory {
	d := directory{hosts: make(map[string]string, len(c.DomainMap))}
	for host, to := range c.DomainMap {
		d.hosts[strings.ToLower(host)] = strings.ToLower(to)
	}
	if c.StripDomain {
		d.only = cmp.Or(d.hosts[own.host], strings.TrimPrefix(own.host, "chat."))
	}
	return d
}

// user returns the user that a bare JID stands for, and false if it can be none. The JID must be in lower case.
//
// The host becomes the domain that domain_map says, else stays. The account is unescaped (XEP-0106) if that leaves a valid
// user id, as d\27artagnan does; else the JID is ignored. With strip_domain the host does not count. An account that is itself account@domain
// when unescaped is that user if the domain is one of ours, else it is ignored.
func (d directory) user(bare string) (domain.UserID, bool) {
	name, host, found := strings.Cut(bare, "@")
	if !found || name == "" {
		return "", false
	}
	name = unescaper.Replace(name)
	host = cmp.Or(d.only, d.hosts[host], host)
	user, err := domain.ParseUserID(name)
	if d.only == "" || err != nil {
		user, err = domain.NewUserID(name, host)
	} else if !d.ours(user) {
		return "", false
	}
	return user, err == nil
}

// ours reports whether a user belongs to a domain that the configuration names: whoever may choose an account's name must not
// become a user of any other.
func (d directory) ours(user domain.UserID) bool {
	_, host := user.Split()
	return host == d.only || slices.Contains(slices.Collect(maps.Values(d.hosts)), host)
}

// unescaper undoes XEP-0106 in an account in lower case. A backslash that begins no escape stays.
var unescaper = strings.NewReplacer(`\20`, " ", `\22`, `"`, `\26`, "&", `\27`, "'", `\2f`, "/", `\3a`, ":", `\3c`, "<", `\3e`, ">", `\40`, "@", `\5c`, `\`)
