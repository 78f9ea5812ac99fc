package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/zarafa/presence/adapters/bolt"
	"github.com/zarafa/presence/ports"
)

// childDir is the environment variable with the directory in which this test binary, started as a child process, appends entries.
const childDir = "PRESENCE_TEST_BOLT_DIR"

// child appends entries until it is killed or cannot go on. It says on standard output which ones were taken, each in a line of its own.
func child(dir string) int {
	j, err := bolt.New(bolt.Config{Dir: dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println("New:", err)
		return 1
	}
	ready := &tape{caughtUp: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- j.Follow(context.Background(), ready) }()
	select {
	case err := <-done:
		fmt.Println("Follow:", err)
		return 1
	case <-ready.caughtUp:
	}
	runtime.LockOSThread() // strace counts the calls of each thread
	first := len(ready.given) + 1
	for i := first; ; i++ {
		if err := j.Append(context.Background(), text(i, 100+i%20*1000)); err != nil {
			fmt.Println("Append:", err)
			if !errors.Is(err, ports.ErrUnavailable) {
				fmt.Println("Follow:", <-done)
			}
			return 1
		}
		fmt.Println("kept", i)
	}
}
