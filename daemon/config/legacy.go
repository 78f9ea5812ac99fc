package config

import (
	"cmp"
	_ "embed"
	"fmt"
	"net"
	"regexp"
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

// readLegacy translates a presence.cfg.
func (l *Loaded) readLegacy(text string) (values map[string]any) {
	rules, entries := parseLegacy("", translations), parseLegacy(l.file, text)
	l.legacy, values = map[string]string{}, map[string]any{}
	for _, rule := range rules {
		l.legacy[rule.key] = rule.value
	}
	last := map[string]legacyEntry{"server_bind": {value: "127.0.0.1"}} // those that count, by key
	for _, e := range entries {
		if earlier := last[e.key]; e.key == "" {
			l.note(e.where, e.key, "ignored: it is neither key = value nor a comment")
		} else if earlier.where != "" {
			l.note(e.where, e.key, "set twice; this line counts, not %s", earlier.where)
		}
		last[e.key] = e
	}
	port := cmp.Or(last["server_port"].value, "1234")
	for _, e := range entries {
		switch {
		case e.key == "" || e != last[e.key]:
			continue
		case e.key == "server_port" && !isPort(port):
			l.fault(e.where, e.key, unexpected("a port number from 1 to 65535", quote(port)))
		case e.key == "server_port" || e.key == "server_bind": // nothing, or *, is every address
			e.value = net.JoinHostPort(strings.Trim(last["server_bind"].value, "*[]"), port)
			fallthrough
		default:
			l.translate(values, e, rules)
		}
	}
	l.set(values, l.key["auth.update"], l.file, "any") // the original's rule, for its clients may rely on it: any valid token may update anybody
	return values
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// translate sets the keys of today that an entry stands for, as the rules of legacy.cfg say.
func (l *Loaded) translate(values map[string]any, e legacyEntry, rules []legacyEntry) {
	known, done, names := false, map[string]bool{}, []string{}
	for _, rule := range rules {
		words := append(strings.Fields(rule.key), "")
		name, pattern := words[1], regexp.MustCompile(words[2])
		names = append(names, words[0])
		if words[0] != e.key || e.key == "+" {
			continue
		}
		known = true
		switch {
		case name == "!":
			l.note(e.where, e.key, "ignored, it means nothing any more: %s", rule.value)
		case e.value == "" || done[name] || name == "?" && len(done) > 0 || !pattern.MatchString(e.value): // an empty value leaves the default
		case name == "?":
			l.fault(e.where, e.key, unexpected(rule.value, quote(e.value)))
		default:
			done[name] = true
			l.set(values, l.key[name], e.where+": "+e.key, pattern.ReplaceAllString(e.value, rule.value))
			if l.key[name].Secret && strings.ContainsAny(e.value[:1], `"'`) {
				l.note(e.where, e.key, "the quotes are part of the value, as they were in the original")
			}
		}
	}
	if !known {
		l.note(e.where, e.key, "ignored: unknown key%s", suggest.DidYouMean(e.key, names))
	}
}
