// Package syncbuffer is for tests that look at what a program or a log has written while it still writes.
package syncbuffer

import (
	"bytes"
	"sync"
)

// Buffer is a bytes.Buffer for one writer and readers at the same time. The zero value is empty and ready to use.
type Buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String returns everything that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
