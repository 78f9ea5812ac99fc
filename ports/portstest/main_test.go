package portstest

import (
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// releases counts the planted journals that may still hold goroutines, because their fault is to go on for too long.
var releases sync.WaitGroup

// released is a run of all tests that ends when no planted journal holds a goroutine any more.
type released struct{ *testing.M }

func (m released) Run() int {
	defer releases.Wait()
	return m.M.Run()
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(released{m}) }
