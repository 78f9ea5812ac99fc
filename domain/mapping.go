package domain

// StatusMap is a protocol's table from its own words to the four statuses. It is data: each protocol's is a variable here.
type StatusMap struct {
	words map[string]Status
	other Status // for a word that is not in the table
}

// Status maps one word.
func (m StatusMap) Status(word string) Status {
	if status, ok := m.words[word]; ok {
		return status
	}
	return m.other
}

// XMPPShow maps the show element of an available stanza (RFC 6121, 4.7.2.1). No show at all means available, and so does one
// that nobody knows: the user is online.
var XMPPShow = StatusMap{
	words: map[string]Status{"": Available, "chat": Available, "dnd": Busy, "away": Away, "xa": Away},
	other: Available,
}

// XMPPType maps the type attribute of a presence stanza (RFC 6121, 4.7.1): those by which a contact's resource stops being
// available. No type means that XMPPShow decides.
var XMPPType = StatusMap{
	words: map[string]Status{"": Available, "unavailable": Unavailable, "error": Unavailable, "unsubscribed": Unavailable},
	other: Unavailable,
}
