package commit

import "github.com/zarafa/presence/domain"

// gap says why the image may lack what others have written.
type gap uint8

const (
	gapOfHalt    gap = 1 << iota // the daemon was halted, and has not caught up yet
	gapOfJournal                 // the journal cannot be followed
)

// hold notes a gap: what others have written after a moment may be missing. Nothing expires for readers meanwhile.
func (w *Writer) hold(g gap, after domain.Timestamp) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gaps |= g
	w.image.Hold(after)
}

// release notes that a gap has been filled.
func (w *Writer) release(g gap) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gaps &^= g; w.gaps == 0 {
		w.image.Release()
	}
}
