package asterisk

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zarafa/presence/internal/asterisktest"
)

// phoneTable is what telephones say in each state.
var phoneTable = map[int]string{0: "idle", 1: onThePhone, 2: onThePhone, 4: "-", 8: "ringing", 9: onThePhone, 16: onThePhone, 17: onThePhone, 24: onThePhone, 32: "-"}

// presenceTable is what presence states say. What is not set is "".
var presenceTable = map[string]string{"available": "available note", "chat": "available note", "away": "away note", "xa": "away note", "dnd": "busy note",
	"unavailable": "-", "not_set": "", "invalid": "", "DND": ""}

// TestStates is the whole table: what a user shows whose hint has telephones in a state and a presence state.
func TestStates(t *testing.T) {
	for _, keys := range [][2]string{{saysBusy, saysNothing}, {saysBusy, saysAvailable}, {saysAvailable, saysNothing}, {saysAvailable, saysAvailable}} {
		t.Run(fmt.Sprint(keys), func(t *testing.T) {
			words := map[string]string{"ringing": keys[0], "idle": keys[1]}
			f := asterisktest.Start(t, hint("4711", "default", "PJSIP/alice,CustomPresence:alice", 0))
			w := watch(t, newSource(t, f.Addr(), recordedPeople, func(c *Config) { c.Ringing, c.Idle = keys[0], keys[1] })).synced(t)
			for presence, own := range presenceTable {
				f.SetPresence("alice", presence, "note")
				for state, phone := range phoneTable {
					if word, configured := words[phone]; configured {
						phone = map[string]string{saysBusy: onThePhone, saysNothing: "-", saysAvailable: "available"}[word]
					}
					want := phone
					switch {
					case own != "" && phone != onThePhone: // what the user has set goes before what a phone says by itself
						want = own
					case own == "busy note": // the newest decides
						want = "busy "
					}
					f.SetStatus("4711", state)
					w.eventually(t, func() error {
						if got := w.shows("alice@example.test"); got != want && (want != "busy " || !strings.HasPrefix(got, want)) {
							return fmt.Errorf("in the state %d with %s alice is %q, want %q", state, presence, got, want)
						}
						return nil
					})
				}
			}
			f.SetPresence("alice", "not_set", "")
			for _, removed := range []int{-1, -2} {
				f.SetStatus("4711", 1)
				w.want(t, "alice@example.test", onThePhone)
				f.SetStatus("4711", removed)
				w.want(t, "alice@example.test", "unknown")
			}
		})
	}
}
