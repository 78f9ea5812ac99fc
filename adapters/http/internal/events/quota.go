package events

import (
	"fmt"
	"sync"

	"github.com/zarafa/presence/adapters/http/internal/problem"
	"github.com/zarafa/presence/domain"
)

// Quota is what one user's streams may take, all together. Services have none.
type Quota struct {
	Streams int
	Watched int // users in the streams' lists; one who is in two lists counts twice
}

// quotas knows what each user's streams take. It may be used concurrently.
type quotas struct {
	mu    sync.Mutex
	each  Quota
	taken map[domain.UserID]Quota
}

func newQuotas(each Quota) *quotas {
	return &quotas{each: each, taken: make(map[domain.UserID]Quota)}
}

// set changes what each user may have. Nobody's streams are ended because of it.
func (q *quotas) set(each Quota) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.each = each
}

// take takes what one more stream needs, until release is called. It refuses what would be more than the user's quota.
func (q *quotas) take(by domain.Principal, watched int) (release func(), err error) {
	if by.Service {
		return func() {}, nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.taken[by.User]
	switch {
	case taken.Streams >= q.each.Streams:
		return nil, tooMuch("%s has %d event streams already (http.max_streams_per_user): close some", by.User, taken.Streams)
	case taken.Watched+watched > q.each.Watched:
		return nil, tooMuch("%s watches %d users already; %d more are too many (http.max_watched_per_user): at most %d are allowed; close streams, or watch fewer",
			by.User, taken.Watched, watched, q.each.Watched)
	}
	q.taken[by.User] = Quota{taken.Streams + 1, taken.Watched + watched}
	return func() { q.giveBack(by.User, watched) }, nil
}

func (q *quotas) giveBack(user domain.UserID, watched int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.taken[user]
	if taken.Streams == 1 {
		delete(q.taken, user)
		return
	}
	q.taken[user] = Quota{taken.Streams - 1, taken.Watched - watched}
}

func tooMuch(format string, args ...any) error {
	return &problem.Error{Kind: problem.ErrQuota, Detail: fmt.Sprintf(format, args...)}
}
