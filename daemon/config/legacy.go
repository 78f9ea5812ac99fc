package config

import (
	"cmp"
	_ "embed"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zarafa/presence/daemon/internal/suggest"
)

// legacyEntry is a line of the original daemon's presence.cfg, "key = value". A value reaches to the end of the line, quotes and # included,
// and a key that is given twice takes its last value.
type legacyEntry struct {
	key, value, where string
}

// parseLegacy splits a presence.cfg into its entries. A line that is neither that nor a comment, which starts with #, has no key.
func parseLegacy(file, text string) (entries []legacyEntry) {
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			end := max(strings.IndexByte(line, '='), 0) // of the key
			value := strings.TrimPrefix(line[end:], "=")
			entries = append(entries, legacyEntry{strings.TrimSpace(line[:end]), strings.TrimSpace(value), fmt.Sprintf("%s:%d", file, i+1)})
		}
	}
	return entries
}

//go:embed legacy.cfg
var translations string

// legacyReader translates a presence.cfg.
type legacyReader struct {
	*Loaded
	values map[string]any
	last   map[string]legacyEntry // those that count, by key
}

func (l *Loaded) readLegacy(text string) (values map[string]any) {
	l.legacy = map[string]string{}
	r := legacyReader{l, map[string]any{}, map[string]legacyEntry{"server_bind": {value: "127.0.0.1"}}}
	for _, e := range parseLegacy("", translations) {
		r.legacy[e.key] = e.value
	}
	entries := parseLegacy(l.file, text)
	for _, e := range entries {
		if earlier := r.last[e.key]; e.key == "" {
			r.note(e.where, e.key, "ignored: it is neither key = value nor a comment")
		} else if earlier.where != "" {
			r.note(e.where, e.key, "set twice; this line counts, not %s", earlier.where)
		}
		r.last[e.key] = e
	}
	for _, e := range entries {
		if e.key != "" && e == r.last[e.key] {
			r.translate(e)
		}
	}
	l.set(r.values, l.key["auth.update"], l.file, "any") // the original's rule, for its clients may rely on it: any valid token may update anybody
	return r.values
}

func (r *legacyReader) translate(e legacyEntry) {
	name := r.legacy[e.key]
	value, expected := r.converted(e)
	switch {
	case strings.HasPrefix(name, "! "):
		r.note(e.where, e.key, "ignored, it means nothing any more: %s", name[2:])
	case name == "" || strings.Contains(e.key, " "):
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(r.legacy)), func(name string) bool { return strings.Contains(name, " ") })
		r.note(e.where, e.key, "ignored: unknown key%s", suggest.DidYouMean(e.key, names))
	case name == "http.listen":
		r.address(e)
	case e.value == "": // it leaves the default
	case expected != "":
		r.fault(e.where, e.key, unexpected(expected, quote(e.value)))
	default:
		r.assign(e, name, value)
	}
}

// converted is the entry's value as the environment would have it, or, if it is wrong, what is expected.
func (r *legacyReader) converted(e legacyEntry) (value, expected string) {
	for rule, replacement := range r.legacy {
		if pattern, ours := strings.CutPrefix(rule, e.key+" "); ours && regexp.MustCompile(pattern).MatchString(e.value) {
			return regexp.MustCompile(pattern).ReplaceAllString(e.value, replacement), ""
		}
	}
	return e.value, r.legacy["? "+e.key]
}

var chatJID = regexp.MustCompile(`^[^@]*@chat\.([a-z0-9][a-z0-9.-]*)(/.*)?$`)

// assign sets a key of today, and what else follows from it.
func (r *legacyReader) assign(e legacyEntry, name, value string) {
	key := r.key[name]
	r.set(r.values, key, e.where+": "+e.key, value)
	if key.Secret && strings.ContainsAny(value[:1], `"'`) {
		r.note(e.where, e.key, "the quotes are part of the value, as they were in the original")
	}
	switch name {
	case "protocols": // spreed is on by itself today
		r.assign(e, "spreed.enabled", strconv.FormatBool(slices.Contains(strings.Split(value, ","), "spreed")))
	case "xmpp.jid": // to the original, every user@chat.example.test was user@example.test
		if m := chatJID.FindStringSubmatch(strings.ToLower(value)); m != nil {
			r.assign(e, "xmpp.domain_map", "chat."+m[1]+"="+m[1])
		}
	}
}

// address sets http.listen to server_bind, where nothing means every address, and server_port.
func (r *legacyReader) address(e legacyEntry) {
	port := cmp.Or(r.last["server_port"].value, "1234")
	if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
		r.assign(e, "http.listen", net.JoinHostPort(strings.Trim(r.last["server_bind"].value, "*[]"), port))
	} else if e.key == "server_port" {
		r.fault(e.where, e.key, unexpected("a port number from 1 to 65535", quote(port)))
	}
}
