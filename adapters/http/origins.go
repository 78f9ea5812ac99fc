package http

import (
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/zarafa/presence/adapters/http/internal/conn"
)

// origins logs which pages http.cors_origins keeps out, for a browser tells a page and its user nothing: at most one line a minute, because every page
// that is kept out asks again and again.
type origins struct {
	log *slog.Logger

	mu   sync.Mutex
	last time.Time
}

const longestOrigin = 256 // bytes of it in the log

// note records that a page was refused. It may be called concurrently.
func (o *origins) note(origin string, remote net.Addr) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.last.IsZero() && time.Since(o.last) < time.Minute {
		return
	}
	o.last = time.Now()
	o.log.Warn("refused a web page: http.cors_origins does not name its origin", "origin", origin[:min(len(origin), longestOrigin)], "remote", conn.NameOf(remote))
}
