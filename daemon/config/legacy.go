package config

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zarafa/presence/daemon/internal/suggest"
)

// The original daemon's presence.cfg: lines "key = value", comments in lines of their own that start with #. A value reaches to the
// end of the line, quotes and # included, and a key that is given twice takes its last value.

// legacyEntry is one line of it.
type legacyEntry struct {
	key, value string
	line       int
}

// parseLegacy splits the file into its entries. A line that is neither that nor a comment has no key.
func parseLegacy(data []byte) (entries []legacyEntry) {
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		number++
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			key, value, found := strings.Cut(line, "=")
			if !found {
				key = ""
			}
			entries = append(entries, legacyEntry{strings.TrimSpace(key), strings.TrimSpace(value), number})
		}
	}
	return entries
}

// translations turn the original's keys into keys of today, and their values into texts as the environment has them.
var translations = map[string]struct {
	key      string
	convert  func(value string) string // nil: as it is
	expected string                    // what convert understands: of anything else it makes nothing
}{
	"server_secret_key":         {key: "auth.secret"},
	"server_token_expire":       {"auth.token_expire", minutes, "a whole number of minutes"},
	"plugins":                   {key: "protocols", convert: func(value string) string { return strings.Join(words(value, " \t,"), ",") }},
	"xmpp_jid":                  {key: "xmpp.jid"},
	"xmpp_password":             {key: "xmpp.password"},
	"xmpp_user_id_strip_domain": {"xmpp.strip_domain", oneOf("yes true, true true, 1 true, no false, false false, 0 false"), "yes or no"},
	"spreed_auto_unavailable":   {"spreed.auto_unavailable", minutes, "a whole number of minutes"},
	"data_path":                 {key: "store.dir", convert: func(value string) string { return filepath.Join(value, "store") }}, // not among the original's files
	"log_level": {"log.level", oneOf("0 error, 1 error, 2 error, error error, critical error, fatal error, 3 warn, warn warn, warning warn, " +
		"4 info, 5 info, info info, notice info, 6 debug, debug debug"), "0 to 6, error, warning, info or debug"},
	"log_file":    {key: "log.file", convert: func(value string) string { return strings.TrimPrefix(value, "-") }},
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

func minutes(value string) string {
	if _, err := strconv.ParseUint(value, 10, 31); err != nil {
		return ""
	}
	return value + "m"
}

// oneOf makes a conversion of pairs: a word, and what it becomes.
func oneOf(pairs string) func(value string) string {
	return func(value string) (today string) {
		for _, pair := range words(pairs, ",") {
			if word, becomes, _ := strings.Cut(pair, " "); word == strings.ToLower(value) {
				today = becomes
			}
		}
		return today
	}
}

type legacyReader struct {
	*source
	last map[string]legacyEntry // by key
}

// readLegacy translates a presence.cfg.
func (s *source) readLegacy(data []byte) {
	r := legacyReader{s, map[string]legacyEntry{}}
	entries := parseLegacy(data)
	for _, entry := range entries {
		earlier, twice := r.last[entry.key]
		if entry.key == "" {
			r.warn(entry, "ignored: it is neither key = value nor a comment")
		} else if twice {
			r.warn(entry, "set twice; this line counts, not line %d", earlier.line)
		}
		r.last[entry.key] = entry
	}
	for _, entry := range entries {
		if entry.key != "" && entry == r.last[entry.key] {
			r.entry(entry)
		}
	}
	r.address()
	r.chatHost()
	if key := r.key(legacyRule); key != nil { // the original's rule, for its clients may rely on it
		r.source.set(*key, r.file, "any")
	}
}

func (r *legacyReader) where(entry legacyEntry) string {
	return fmt.Sprintf("%s:%d", r.file, entry.line)
}

func (r *legacyReader) warn(entry legacyEntry, format string, args ...any) {
	r.note(r.where(entry), entry.key, format, args...)
}

func (r *legacyReader) entry(entry legacyEntry) {
	t, known := translations[entry.key]
	if reason, old := obsolete[entry.key]; old {
		r.warn(entry, "ignored, it means nothing any more: %s", reason)
		return
	} else if !known {
		r.warn(entry, "ignored: unknown key%s", suggest.DidYouMean(entry.key, slices.Sorted(maps.Keys(translations))))
		return
	}
	value := entry.value
	if value == "" || t.key == "" { // an empty value leaves the default
		return
	}
	if t.convert != nil {
		value = t.convert(value)
	}
	if value == "" && t.expected != "" {
		r.fault(r.where(entry), entry.key, unexpected(t.expected, quote(entry.value)))
		return
	}
	r.set(entry, t.key, value)
	if t.key == "protocols" && r.key("spreed.enabled") != nil { // which is on by itself today
		r.set(entry, "spreed.enabled", strconv.FormatBool(slices.Contains(words(value, ","), "spreed")))
	}
	if key := r.key(t.key); key != nil && key.Secret && strings.ContainsAny(entry.value[:1], `"'`) {
		r.warn(entry, "the quotes are part of the value, as they were in the original")
	}
}

// set sets a key of today.
func (r *legacyReader) set(entry legacyEntry, name, value string) {
	if key := r.key(name); key != nil {
		r.source.set(*key, r.where(entry)+": "+entry.key, value)
	} else { // this daemon was built without the adapter
		r.warn(entry, "ignored: this daemon has no %s", name)
	}
}

// address makes http.listen of server_bind, where nothing means every address, and server_port.
func (r *legacyReader) address() {
	entry, hasBind := r.last["server_bind"]
	port, hasPort := r.last["server_port"]
	host := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(entry.value, "*"), "["), "]")
	switch {
	case !hasBind && !hasPort:
		return
	case !hasBind:
		host, entry = "127.0.0.1", port
	}
	port.value = cmp.Or(port.value, "1234")
	if n, err := strconv.ParseUint(port.value, 10, 16); err != nil || n == 0 {
		r.fault(r.where(port), port.key, unexpected("a port number from 1 to 65535", quote(port.value)))
		return
	}
	r.set(entry, "http.listen", net.JoinHostPort(host, port.value))
}

var chatJID = regexp.MustCompile(`^[^@]*@chat\.([a-z0-9][a-z0-9.-]*)(/.*)?$`)

// chatHost keeps what the original did to every address: user@chat.example.test was user@example.test.
func (r *legacyReader) chatHost() {
	entry := r.last["xmpp_jid"]
	if m := chatJID.FindStringSubmatch(strings.ToLower(entry.value)); m != nil {
		r.set(entry, "xmpp.domain_map", "chat."+m[1]+"="+m[1])
	}
}

// legacyRule is the key of the rule who may update whom. No key of a presence.cfg sets it: there, any valid token may update anybody.
const legacyRule = "auth.update"

// legacyHints go after what is said of a key that is set because of a presence.cfg.
var legacyHints = map[string]string{
	"auth.secret": "; in a presence.cfg there is no key for it: set PRESENCE_AUTH__ALLOW_WEAK_SECRET=true or --auth.allow_weak_secret" +
		" to go on with the secret that your clients have",
	legacyRule: ", as in the original daemon; if your clients update only their own user, set PRESENCE_AUTH__UPDATE=self or --auth.update self",
}
