package image

import "github.com/zarafa/presence/domain"

// Hold says that the image may lack what others have written after a moment. Nothing that it has expires for readers after that moment, until
// Release is called, because somebody may have renewed it. A second call changes nothing.
func (i *Image) Hold(after domain.Timestamp) { i.known.CompareAndSwap(0, int64(after)) }

// Release says that the image has everything again. If a watcher may have been shown something as stale that is not, all watches are told
// ports.ErrResumed, because no change says so.
func (i *Image) Release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.known.Store(0)
	if !i.shown {
		return
	}
	i.shown = false
	for w := range i.watches {
		w.unheld = true
		w.signal()
	}
}

// ShowStale is to be called before a watcher is shown something as stale because of Hold. It returns false if the image has been released
// meanwhile.
func (i *Image) ShowStale() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	held := i.known.Load() != 0
	i.shown = i.shown || held
	return held
}

// KnownUntil returns the moment that Hold was called with: zero if the image has everything.
func (i *Image) KnownUntil() domain.Timestamp { return domain.Timestamp(i.known.Load()) }

// Known returns up to when the image is known to have everything: now, unless it is held.
func (i *Image) Known(now domain.Timestamp) domain.Timestamp {
	if known := i.known.Load(); known != 0 {
		return min(now, domain.Timestamp(known))
	}
	return now
}
