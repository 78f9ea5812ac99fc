package memory_test

import (
	"testing"

	"github.com/zarafa/presence/adapters/memory"
	"github.com/zarafa/presence/ports"
	"github.com/zarafa/presence/ports/portstest"
)

func TestJournalContract(t *testing.T) {
	portstest.Journal(t, func(testing.TB) portstest.JournalStage {
		return portstest.JournalStage{Open: func(testing.TB) ports.Journal { return memory.NewJournal() }}
	})
}
