package v1

import (
	"encoding/json"

	"github.com/zarafa/presence/domain"
)

// source is how one source is doing, as JSON. Every key is always there; what there is none of is null.
type source struct {
	Protocol string          `json:"protocol"`
	State    string          `json:"state"`
	Since    json.RawMessage `json:"since"`
	Users    int             `json:"users"`
	Error    *string         `json:"error"`
	RetryAt  json.RawMessage `json:"retry_at"`
	AsOf     json.RawMessage `json:"as_of"`
}

// journal is whether this daemon has what others write, as JSON.
type journal struct {
	Followed   bool            `json:"followed"`
	KnownUntil json.RawMessage `json:"known_until"`
}

// sourcesDocument makes the document of how the sources and the journal are doing, {"sources": [...], "journal": {...}}.
func sourcesDocument(statuses []domain.SourceStatus, knownUntil domain.Timestamp) any {
	sources := make([]source, len(statuses))
	for i, s := range statuses {
		sources[i] = source{
			Protocol: s.Protocol.String(), State: s.State.String(), Since: appendTime(nil, "", s.Since), Users: s.Users, RetryAt: appendTime(nil, "", s.RetryAt), AsOf: appendTime(nil, "", s.AsOf),
		}
		if s.Error != "" {
			sources[i].Error = &s.Error
		}
	}
	return struct {
		Sources []source `json:"sources"`
		Journal journal  `json:"journal"`
	}{sources, journal{knownUntil.IsZero(), appendTime(nil, "", knownUntil)}}
}

// unmapped is a name that is nobody's, as JSON.
type unmapped struct {
	Protocol string `json:"protocol"`
	Name     string `json:"name"`
	Times    int    `json:"times"`
}

// unmappedDocument makes the document of names that are nobody's, {"unmapped": [...], "others": 0}.
func unmappedDocument(names []domain.Unmapped, others int) any {
	all := make([]unmapped, len(names))
	for i, n := range names {
		all[i] = unmapped{n.Protocol.String(), n.Name, n.Times}
	}
	return struct {
		Unmapped []unmapped `json:"unmapped"`
		Others   int        `json:"others"`
	}{all, others}
}
