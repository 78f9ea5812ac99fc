package config

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/knadh/koanf/maps"
)

// The original daemon's presence.cfg: lines "key = value", comments in lines of their own that start with #. A value reaches to the
// end of the line, quotes and # included, and a key that is given twice takes its last value.

// legacyEntry is one line of it.
type legacyEntry struct {
	key, value string
	line       int
}

// parseLegacy splits the file into its entries. Lines that are neither that nor a comment are returned by their numbers.
func parseLegacy(data []byte) (entries []legacyEntry, junk []int) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	number := 0
	for line := range bytes.Lines(data) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, value, found := bytes.Cut(line, []byte("="))
		key = bytes.TrimSpace(key)
		if !found || len(key) == 0 {
			junk = append(junk, number)
			continue
		}
		entries = append(entries, legacyEntry{string(key), string(bytes.TrimSpace(value)), number})
	}
	return entries, junk
}

// translation turns one of the original's keys into a key of today.
type translation struct {
	key     string
	convert func(value string) (string, error) // to the text that the key's parse takes
}

var translations = map[string]translation{
	"server_secret_key":         {"auth.secret", asItIs},
	"server_token_expire":       {"auth.token_expire", minutes},
	"plugins":                   {"protocols", words},
	"xmpp_jid":                  {"xmpp.jid", asItIs},
	"xmpp_password":             {"xmpp.password", asItIs},
	"xmpp_user_id_strip_domain": {"xmpp.strip_domain", yesOrNo},
	"spreed_auto_unavailable":   {"spreed.auto_unavailable", minutes},
	"data_path":                 {"store.dir", storeDir},
	"log_level":                 {"log.level", logLevel},
	"log_file":                  {"log.file", logFile},
}

// obsolete are keys of the original that mean nothing any more, and what took their place.
var obsolete = map[string]string{
	"data_save_interval":   "every change is kept at once",
	"server_auth_user":     "a token says who asks",
	"server_auth_password": "a token says who asks",
	"run_as_user":          "the service manager starts the daemon as the right user",
	"run_as_group":         "the service manager starts the daemon as the right user",
	"pid_file":             "the service manager knows the process",
	"running_path":         "the service manager sets the directory",
	"log_method":           "log_file decides: a file, or standard error if it is empty or -",
	"log_timestamp":        "every line has one",
}

func asItIs(value string) (string, error) { return value, nil }

func minutes(value string) (string, error) {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return strconv.FormatUint(n, 10) + "m", nil
	}
	return "", fmt.Errorf("expected a whole number of minutes, got %s", quote(value))
}

func words(value string) (string, error) {
	return strings.Join(strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }), ","), nil
}

func yesOrNo(value string) (string, error) {
	switch strings.ToLower(value) {
	case "yes", "true", "1":
		return "true", nil
	case "no", "false", "0":
		return "false", nil
	}
	return "", fmt.Errorf("expected yes or no, got %s", quote(value))
}

func logLevel(value string) (string, error) {
	switch strings.ToLower(value) {
	case "0", "1", "2", "error", "critical", "fatal":
		return "error", nil
	case "3", "warn", "warning":
		return "warn", nil
	case "4", "5", "info", "notice":
		return "info", nil
	case "6", "debug":
		return "debug", nil
	}
	return "", fmt.Errorf("expected 0 to 6, error, warning, info or debug, got %s", quote(value))
}

// storeDir leaves what the original has kept in its directory alone.
func storeDir(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	return filepath.Join(value, "store"), nil
}

func logFile(value string) (string, error) {
	if value == "-" {
		return "", nil
	}
	return value, nil
}

type legacyReader struct {
	schema   *schema
	name     string
	layer    layer
	values   map[string]any // by dotted names
	faults   Faults
	warnings []string
	last     map[string]legacyEntry // by key
}

// readLegacy translates a presence.cfg.
func (s *schema) readLegacy(name string, data []byte) (layer, []string, Faults) {
	r := legacyReader{schema: s, name: name, layer: newLayer(), values: map[string]any{}, last: map[string]legacyEntry{}}
	entries, junk := parseLegacy(data)
	for _, line := range junk {
		r.warn(line, "", "ignored: it is neither key = value nor a comment")
	}
	for _, entry := range entries {
		if earlier, twice := r.last[entry.key]; twice {
			r.warn(entry.line, entry.key, "set twice; this line counts, not line %d", earlier.line)
		}
		r.last[entry.key] = entry
	}
	for _, entry := range entries {
		if entry == r.last[entry.key] {
			r.entry(entry)
		}
	}
	r.address()
	r.chatHost()
	r.updateRule()
	r.layer.values = maps.Unflatten(r.values, ".")
	return r.layer, r.warnings, r.faults
}

func (r *legacyReader) where(line int) string { return fmt.Sprintf("%s:%d", r.name, line) }

func (r *legacyReader) warn(line int, key, format string, args ...any) {
	r.warnings = append(r.warnings, Fault{r.where(line), key, fmt.Errorf(format, args...)}.Error())
}

func (r *legacyReader) entry(entry legacyEntry) {
	t, known := translations[entry.key]
	reason, old := obsolete[entry.key]
	switch {
	case entry.key == "server_bind" || entry.key == "server_port":
	case old:
		r.warn(entry.line, entry.key, "ignored, it means nothing any more: %s", reason)
	case !known:
		r.warn(entry.line, entry.key, "ignored: unknown key%s", legacyHint(entry.key))
	case entry.value != "": // an empty value leaves the default
		value, err := t.convert(entry.value)
		if err != nil {
			r.faults = append(r.faults, Fault{r.where(entry.line), entry.key, err})
			return
		}
		r.set(entry, t.key, value)
		if t.key == "protocols" && r.schema.key("spreed.enabled") != nil { // which is on by itself today
			r.set(entry, "spreed.enabled", strconv.FormatBool(slices.Contains(strings.Split(value, ","), "spreed")))
		}
		if k, v := r.schema.key(t.key), entry.value; k != nil && k.Secret && (v[0] == '"' || v[0] == '\'') {
			r.warn(entry.line, entry.key, "the quotes are part of the value, as they were in the original")
		}
	}
}

func legacyHint(key string) string {
	names := []string{}
	for name := range translations {
		names = append(names, name)
	}
	names = append(names, "server_bind", "server_port")
	return DidYouMean(key, names)
}

// set stores the text of a key of today.
func (r *legacyReader) set(entry legacyEntry, name, value string) {
	key := r.schema.key(name)
	if key == nil { // this daemon was built without the adapter
		r.warn(entry.line, entry.key, "ignored: this daemon has no %s", name)
		return
	}
	r.values[name] = text(value)
	r.layer.set(key, fmt.Sprintf("%s:%d: %s", r.name, entry.line, entry.key), value)
}

// address makes http.listen of server_bind, where nothing means every address, and server_port.
func (r *legacyReader) address() {
	bind, hasBind := r.last["server_bind"]
	port, hasPort := r.last["server_port"]
	if !hasBind && !hasPort {
		return
	}
	entry := bind
	if !hasBind {
		bind.value, entry = "127.0.0.1", port
	}
	if port.value == "" {
		port.value = "1234"
	}
	if n, err := strconv.ParseUint(port.value, 10, 16); err != nil || n == 0 {
		r.faults.add(r.where(port.line), port.key, "expected a port number from 1 to 65535, got %s", quote(port.value))
		return
	}
	host := strings.TrimSuffix(strings.TrimPrefix(bind.value, "["), "]")
	if bind.value == "*" {
		host = ""
	}
	r.set(entry, "http.listen", net.JoinHostPort(host, port.value))
}

// chatHost keeps what the original did to every address: user@chat.example.test was user@example.test.
func (r *legacyReader) chatHost() {
	entry := r.last["xmpp_jid"]
	_, host, _ := strings.Cut(entry.value, "@")
	host, _, _ = strings.Cut(host, "/")
	if domain, found := strings.CutPrefix(strings.ToLower(host), "chat."); found && plainHost.MatchString(domain) {
		r.set(entry, "xmpp.domain_map", "chat."+domain+"="+domain)
	}
}

var plainHost = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*$`)

// legacyRule is the key of the rule who may update whom. No key of a presence.cfg sets it: there, any valid token may update anybody.
const legacyRule = "auth.update"

// legacyRuleNote is added to the warning of that rule if it comes from a presence.cfg.
const legacyRuleNote = ", as in the original daemon; if your clients update only their own user, set PRESENCE_AUTH__UPDATE=self or" +
	" --auth.update self"

// updateRule keeps the original's rule, for its clients may rely on it.
func (r *legacyReader) updateRule() {
	if r.schema.key(legacyRule) != nil {
		r.values[legacyRule], r.layer.origin[legacyRule] = text("any"), r.name
	}
}

// errLegacyWeak is added to a fault of the secret, because a presence.cfg has no key for the way round.
var errLegacyWeak = errors.New("in a presence.cfg there is no key for it: set PRESENCE_AUTH__ALLOW_WEAK_SECRET=true or --auth.allow_weak_secret" +
	" to go on with the secret that your clients have")
