package bolt_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/zarafa/presence/ports"
)

// TestStopWhileWriting: Follow returns when what is being written is on the disk. What was acknowledged is there, what was refused is not, and nothing else
// is taken.
func TestStopWhileWriting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	want := 0
	for round := range 10 {
		s := mustStart(t, dir)
		if s.tape.count != want {
			t.Fatalf("%d entries are there, %d were acknowledged", s.tape.count, want)
		}
		s.append(t, "first")
		want++
		at := uint64(want)
		appended := make(chan error, 1)
		go func() {
			for {
				if err := s.Append(t.Context(), fmt.Appendf(nil, "entry %d", want+1)); err != nil {
					appended <- err
					return
				}
				want++
			}
		}()
		snapshot := make(chan error, 1)
		go func() {
			snapshot <- s.Snapshot(t.Context(), at, func() ([]byte, error) { return text(1, 1000), nil }) // without an end
		}()
		time.Sleep(time.Duration(round) * 3 * time.Millisecond)
		s.end(t)
		for what, done := range map[string]chan error{"Append": appended, "Snapshot": snapshot} {
			select {
			case err := <-done:
				if !errors.Is(err, ports.ErrUnavailable) {
					t.Errorf("%s = %v, want ErrUnavailable", what, err)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%s goes on although Follow has returned", what)
			}
		}
	}
}
