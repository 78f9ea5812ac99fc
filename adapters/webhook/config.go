package webhook

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// Config is an entry of the key webhooks.
type Config struct {
	Name      string         `koanf:"name" help:"what logs, metrics and commands call it"`
	URL       string         `koanf:"url" help:"where messages are sent to, https://"`
	Secret    setting.Secret `koanf:"secret" help:"what signs messages: whsec_ and 24 to 64 bytes in base64"`
	OldSecret setting.Secret `koanf:"old_secret" help:"the former secret, which signs as well while the receiver learns the new one"`
	Roots     setting.Roots  `koanf:"ca_file" help:"PEM file with the certificates to trust instead of the system's"`
	Users     []string       `koanf:"users" help:"the users that it is about: ids, *@domain, group:NAME; empty, and groups too: everybody"`
	Groups    []string       `koanf:"groups" help:"further users that it is about: the members of these groups"`
	Events    []string       `koanf:"events" help:"what has to change of the one answer over all protocols: status, message, activity; empty: status" choice:"status,message,activity"`
}

// The values of Config.Events.
const (
	eventStatus   = "status"
	eventMessage  = "message"
	eventActivity = "activity"
)

var eventNames = []string{eventStatus, eventMessage, eventActivity}

var hookName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Validate returns every fault of some entries, each naming its key.
func Validate(all []Config) error {
	faults := make([]error, 0, len(all))
	for i := range all {
		faults = append(faults, ValidateEntry(all, i))
	}
	return errors.Join(faults...)
}

// ValidateEntry returns every fault of the entry with an index, each naming its key.
func ValidateEntry(all []Config, index int) error {
	c := all[index]
	entry := setting.Entry("webhooks", index, c.Name)
	var faults []error
	for _, err := range c.faults() {
		faults = append(faults, fmt.Errorf("%s: %w", entry, err))
	}
	if slices.ContainsFunc(all[:index], func(before Config) bool { return before.Name == c.Name }) {
		faults = append(faults, fmt.Errorf("%s: two webhooks have this name", entry))
	}
	return errors.Join(faults...)
}

// Warnings returns what an administrator should know about entries that are accepted, each naming its key.
func Warnings(all []Config) (warnings []string) {
	for i, c := range all {
		address, err := url.Parse(c.URL)
		if err != nil || address.Scheme != "http" {
			continue
		}
		if ip, err := netip.ParseAddr(address.Hostname()); address.Hostname() == "localhost" || err == nil && ip.IsLoopback() {
			continue
		}
		warnings = append(warnings, setting.Entry("webhooks", i, c.Name)+": url: without TLS anybody on the way can read who is available")
	}
	return warnings
}

// faults returns what is wrong with an entry.
func (c Config) faults() (faults []error) {
	check := func(key string, err error) {
		if err == nil {
			return
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			faults = append(faults, fmt.Errorf("%s: %s", key, line))
		}
	}
	if !hookName.MatchString(c.Name) {
		check("name", fmt.Errorf("it has up to 32 lower-case letters, digits and hyphens, a letter first; it is %.60q", c.Name))
	}
	check("url", c.checkURL())
	_, err := decodeSecret(c.Secret)
	check("secret", err)
	if !c.OldSecret.IsZero() {
		_, err = decodeSecret(c.OldSecret)
		check("old_secret", err)
		if c.OldSecret.Equal(c.Secret) {
			check("old_secret", errors.New("it is the same as secret: remove it"))
		}
	}
	_, err = domain.ParseUserList(c.users())
	check("users", err)
	for _, event := range c.Events {
		if !slices.Contains(eventNames, event) {
			check("events", fmt.Errorf("%.60q is none of %s", event, strings.Join(eventNames, ", ")))
		}
	}
	return faults
}

// checkURL refuses an address that no webhook can have. Its errors do not repeat it: it may have a token in it.
func (c Config) checkURL() error {
	address, err := url.Parse(c.URL)
	switch {
	case err != nil, address.Scheme != "https" && address.Scheme != "http", address.Hostname() == "":
		return errors.New("expected an address such as https://crm.example.test/presence")
	case address.User != nil:
		return errors.New("it must not have a user or a password: the receiver checks signatures")
	case address.Fragment != "":
		return errors.New("it must not have a fragment (#)")
	}
	if ip, err := netip.ParseAddr(address.Hostname()); err == nil {
		return checkAddress(ip)
	}
	return nil
}

// equal reports whether an entry says the same.
func (c Config) equal(other Config) bool {
	return c.Name == other.Name && c.URL == other.URL && c.Secret.Equal(other.Secret) && c.OldSecret.Equal(other.OldSecret) && c.Roots.Equal(other.Roots) &&
		slices.Equal(c.Users, other.Users) && slices.Equal(c.Groups, other.Groups) && slices.Equal(c.Events, other.Events)
}

// users lists the users and the groups.
func (c Config) users() []string {
	all := slices.Clone(c.Users)
	for _, group := range c.Groups {
		all = append(all, "group:"+group)
	}
	return all
}

// digest returns a digest of the settings that decide which receiver is told what, and about which users.
func (c Config) digest() uint64 {
	events := slices.Sorted(slices.Values(c.Events))
	sum := fnv.New64a()
	for _, part := range [][]string{{c.Name, c.URL}, slices.Sorted(slices.Values(c.users())), slices.Compact(events)} {
		_, _ = fmt.Fprintf(sum, "%q", part)
	}
	return sum.Sum64()
}
