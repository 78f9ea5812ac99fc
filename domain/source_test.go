package domain_test

import (
	"testing"

	"github.com/zarafa/presence/domain"
)

func TestSourceStatesHaveNames(t *testing.T) {
	for state, want := range map[domain.SourceState]string{
		domain.SourceStandby: "standby", domain.SourceConnecting: "connecting", domain.SourceConnected: "connected", domain.SourceSynced: "synced",
		domain.SourceWaiting: "waiting", domain.SourceRejected: "rejected", 99: "SourceState(99)",
	} {
		if got := state.String(); got != want {
			t.Errorf("%d is %q, want %q", uint8(state), got, want)
		}
	}
}
