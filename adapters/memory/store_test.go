package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	portstest.Store(t, func(*testing.T) ports.Store { return memory.New() })
}
