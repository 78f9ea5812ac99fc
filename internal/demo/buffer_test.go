package main

import "github.com/zarafa/presence/internal/syncbuffer"

// syncBuffer is what a demo has printed.
type syncBuffer = syncbuffer.Buffer
