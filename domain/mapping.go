package domain

import "maps"

// StatusMap is a protocol's table from its own words to the four statuses. It is data: each protocol has its own. Make it with
// NewStatusMap. It may be used concurrently.
type StatusMap struct {
	words map[string]Status
	other Status
}

// NewStatusMap makes a table. The status other is for words that are not in it.
func NewStatusMap(words map[string]Status, other Status) StatusMap {
	return StatusMap{words: maps.Clone(words), other: other}
}

// Status maps one word, and reports whether it is in the table.
func (m StatusMap) Status(word string) (status Status, known bool) {
	if status, known = m.words[word]; known {
		return status, true
	}
	return m.other, false
}

// XMPPShow maps the show element of an available stanza (RFC 6121, 4.7.2.1). No show at all means available, and so does one
// that nobody knows: the user is online.
var XMPPShow = NewStatusMap(
	map[string]Status{"": Available, "chat": Available, "dnd": Busy, "away": Away, "xa": Away},
	Available,
)

// XMPPType maps the type attribute of a presence stanza (RFC 6121, 4.7.1): those by which a contact's resource stops being
// available. No type means that XMPPShow decides.
var XMPPType = NewStatusMap(
	map[string]Status{"": Available, "unavailable": Unavailable, "error": Unavailable, "unsubscribed": Unavailable},
	Unavailable,
)
