package config

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/knadh/koanf/maps"

	"github.com/zarafa/presence/daemon/internal/suggest"
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
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		key, value, found := bytes.Cut(line, []byte("="))
		if key = bytes.TrimSpace(key); !found || len(key) == 0 {
			junk = append(junk, number)
			continue
		}
		entries = append(entries, legacyEntry{string(key), string(bytes.TrimSpace(value)), number})
	}
	return entries, junk
}

// translations turn the original's keys into keys of today, and their values into texts as the environment has them.
var translations = map[string]struct {
	key     string
	convert func(value string) (string, error) // nil: as it is
}{
	"server_secret_key":         {"auth.secret", nil},
	"server_token_expire":       {"auth.token_expire", minutes},
	"plugins":                   {"protocols", words},
	"xmpp_jid":                  {"xmpp.jid", nil},
	"xmpp_password":             {"xmpp.password", nil},
	"xmpp_user_id_strip_domain": {"xmpp.strip_domain", oneOf("yes or no", map[string]string{"true": "yes true 1", "false": "no false 0"})},
	"spreed_auto_unavailable":   {"spreed.auto_unavailable", minutes},
	"data_path":                 {"store.dir", storeDir},
	"log_level": {"log.level", oneOf("0 to 6, error, warning, info or debug", map[string]string{
		"error": "0 1 2 error critical fatal", "warn": "3 warn warning", "info": "4 5 info notice", "debug": "6 debug"})},
	"log_file":    {"log.file", func(value string) (string, error) { return strings.TrimPrefix(value, "-"), nil }},
	"server_bind": {}, // see address
	"server_port": {},
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

func minutes(value string) (string, error) {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return strconv.FormatUint(n, 10) + "m", nil
	}
	return "", unexpected("a whole number of minutes", value, false)
}

func words(value string) (string, error) {
	return strings.Join(strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }), ","), nil
}

// oneOf makes a conversion of words: each of those in a value of the map becomes its key.
func oneOf(expected string, words map[string]string) func(string) (string, error) {
	return func(value string) (string, error) {
		for today, original := range words {
			if slices.Contains(strings.Fields(original), strings.ToLower(value)) {
				return today, nil
			}
		}
		return "", unexpected(expected, value, false)
	}
}

// storeDir leaves what the original has kept in its directory alone.
func storeDir(value string) (string, error) { return filepath.Join(value, "store"), nil }

type legacyReader struct {
	*Loaded
	found  layer
	values map[string]any // by dotted names
	faults []Fault
	last   map[string]legacyEntry // by key
}

// readLegacy translates a presence.cfg.
func (l *Loaded) readLegacy(name string, data []byte) (layer, []Fault) {
	r := legacyReader{Loaded: l, found: newLayer(), values: map[string]any{}, last: map[string]legacyEntry{}}
	r.file = name
	entries, junk := parseLegacy(data)
	for _, line := range junk {
		r.warn(legacyEntry{line: line}, "ignored: it is neither key = value nor a comment")
	}
	for _, entry := range entries {
		if earlier, twice := r.last[entry.key]; twice {
			r.warn(entry, "set twice; this line counts, not line %d", earlier.line)
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
	if l.schema.key(legacyRule) != nil { // the original's rule, for its clients may rely on it
		r.values[legacyRule], r.found.origin[legacyRule] = text("any"), name
	}
	r.found.values = maps.Unflatten(r.values, ".")
	return r.found, r.faults
}

func (r *legacyReader) where(entry legacyEntry) string {
	return fmt.Sprintf("%s:%d", r.file, entry.line)
}

func (r *legacyReader) warn(entry legacyEntry, format string, args ...any) {
	r.note("", faultf(r.where(entry), entry.key, format, args...))
}

func (r *legacyReader) entry(entry legacyEntry) {
	t, known := translations[entry.key]
	if reason, old := obsolete[entry.key]; old {
		r.warn(entry, "ignored, it means nothing any more: %s", reason)
		return
	} else if !known {
		var names []string
		for name := range translations {
			names = append(names, name)
		}
		slices.Sort(names)
		r.warn(entry, "ignored: unknown key%s", suggest.DidYouMean(entry.key, names))
		return
	}
	if entry.value == "" || t.key == "" { // an empty value leaves the default
		return
	}
	value := entry.value
	if t.convert != nil {
		var err error
		if value, err = t.convert(value); err != nil {
			r.faults = append(r.faults, Fault{r.where(entry), entry.key, err})
			return
		}
	}
	r.set(entry, t.key, value)
	if t.key == "protocols" && r.schema.key("spreed.enabled") != nil { // which is on by itself today
		r.set(entry, "spreed.enabled", strconv.FormatBool(slices.Contains(strings.Split(value, ","), "spreed")))
	}
	if key := r.schema.key(t.key); key != nil && key.Secret && strings.ContainsAny(value[:1], `"'`) {
		r.warn(entry, "the quotes are part of the value, as they were in the original")
	}
}

// set stores the text of a key of today.
func (r *legacyReader) set(entry legacyEntry, name, value string) {
	if r.schema.key(name) == nil { // this daemon was built without the adapter
		r.warn(entry, "ignored: this daemon has no %s", name)
		return
	}
	r.values[name] = text(value)
	r.found.set(name, r.where(entry)+": "+entry.key, value)
}

// address makes http.listen of server_bind, where nothing means every address, and server_port.
func (r *legacyReader) address() {
	bind, hasBind := r.last["server_bind"]
	port, hasPort := r.last["server_port"]
	entry := bind
	switch {
	case !hasBind && !hasPort:
		return
	case !hasBind:
		bind.value, entry = "127.0.0.1", port
	}
	if port.value == "" {
		port.value = "1234"
	}
	if n, err := strconv.ParseUint(port.value, 10, 16); err != nil || n == 0 {
		r.faults = append(r.faults, Fault{r.where(port), port.key, unexpected("a port number from 1 to 65535", port.value, false)})
		return
	}
	host := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(bind.value, "*"), "["), "]")
	r.set(entry, "http.listen", net.JoinHostPort(host, port.value))
}

// chatHost keeps what the original did to every address: user@chat.example.test was user@example.test.
func (r *legacyReader) chatHost() {
	entry := r.last["xmpp_jid"]
	if m := chatJID.FindStringSubmatch(strings.ToLower(entry.value)); m != nil {
		r.set(entry, "xmpp.domain_map", "chat."+m[1]+"="+m[1])
	}
}

var chatJID = regexp.MustCompile(`^[^@]*@chat\.([a-z0-9][a-z0-9.-]*)(/.*)?$`)

// legacyRule is the key of the rule who may update whom. No key of a presence.cfg sets it: there, any valid token may update anybody.
const legacyRule = "auth.update"

// legacyHint goes after a text about a key, if the file is a presence.cfg.
func (l *Loaded) legacyHint(key string) string {
	switch {
	case !l.legacy:
	case key == "auth.secret" && l.origin[key] != "":
		return "; in a presence.cfg there is no key for it: set PRESENCE_AUTH__ALLOW_WEAK_SECRET=true or --auth.allow_weak_secret" +
			" to go on with the secret that your clients have"
	case key == legacyRule && l.origin[key] == l.file:
		return ", as in the original daemon; if your clients update only their own user, set PRESENCE_AUTH__UPDATE=self or --auth.update self"
	}
	return ""
}
