// Package syncbuffer has a buffer that one goroutine may read while others write. Tests use it for logs and for programs' output.
package syncbuffer

import (
	"bytes"
	"sync"
)

// Buffer is a bytes.Buffer with a lock. The zero value is empty. It may be used concurrently.
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
