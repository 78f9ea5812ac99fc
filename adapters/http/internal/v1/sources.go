package v1

import (
	"strconv"

	"github.com/zarafa/presence/adapters/http/internal/jsontext"
	"github.com/zarafa/presence/domain"
)

// appendSources appends the document of how the sources are doing, {"sources": [...]}. Every key is always there; what there is none of is null.
func appendSources(dst []byte, statuses []domain.SourceStatus) []byte {
	dst = append(dst, `{"sources":[`...)
	for i := range statuses {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendSource(dst, &statuses[i])
	}
	return append(dst, `]}`...)
}

func appendSource(dst []byte, s *domain.SourceStatus) []byte {
	dst = append(dst, `{"protocol":"`...)
	dst = append(dst, s.Protocol.String()...)
	dst = append(dst, `","state":"`...)
	dst = append(dst, s.State.String()...)
	dst = appendTime(dst, `","since":`, s.Since)
	dst = append(dst, `,"users":`...)
	dst = strconv.AppendInt(dst, int64(s.Users), 10)
	if s.Error == "" {
		dst = append(dst, `,"error":null`...)
	} else {
		dst = append(dst, `,"error":"`...)
		dst = jsontext.Append(dst, s.Error)
		dst = append(dst, '"')
	}
	dst = appendTime(dst, `,"retry_at":`, s.RetryAt)
	return append(dst, '}')
}
