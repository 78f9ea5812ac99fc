package portstest

import (
	"slices"
	"testing"
	"time"

	"github.com/zarafa/presence/ports"
)

// TestJournalSuite: a sound journal passes, and each fault is caught by the sentence that it breaks. No sentence is without a fault.
func TestJournalSuite(t *testing.T) {
	t.Parallel()
	Journal(t, func(t testing.TB) JournalStage { return stageWith(t, sound) })
	all, unbroken := slices.Concat(journalContract, survivingContract, sharedContract), map[string]bool{}
	for _, c := range all {
		unbroken[c.sentence] = true
	}
	for fault, sentence := range journalFaults {
		delete(unbroken, sentence)
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(all, func(c contract[JournalStage]) bool { return c.sentence == sentence })
			if i < 0 {
				t.Fatalf("there is no sentence %q", sentence)
			}
			failures := failuresOf(t, func(t testing.TB) {
				stage := stageWith(t, fault)
				stage.patience = 300 * time.Millisecond
				all[i].check(t, stage)
			})
			if len(failures) == 0 {
				t.Errorf("this is not caught by: %s", sentence)
			}
			t.Log(failures)
		})
	}
	for sentence := range unbroken {
		t.Errorf("no planted fault breaks: %s", sentence)
	}
}

// journalFault is what is wrong with a planted journal.
type journalFault string

const sound journalFault = "nothing"

// journalFaults says which sentence catches a fault.
var journalFaults = map[journalFault]string{
	"CaughtUp is called twice":                      "an empty journal gives nothing but CaughtUp",
	"CaughtUp is not called":                        "an empty journal gives nothing but CaughtUp",
	"Reset is called after CaughtUp":                "an empty journal gives nothing but CaughtUp",
	"numbers begin with 0":                          "entries are numbered from 1 without gaps and delivered in order, own included",
	"numbers have gaps":                             "entries are numbered from 1 without gaps and delivered in order, own included",
	"own entries are not delivered":                 "entries are numbered from 1 without gaps and delivered in order, own included",
	"entries change places":                         "entries are numbered from 1 without gaps and delivered in order, own included",
	"Entry is called during CaughtUp":               "Replay's methods are called one at a time",
	"an empty entry is dropped":                     "an entry may be empty, and have any bytes",
	"an entry ends at a zero byte":                  "an entry may be empty, and have any bytes",
	"the caller's entry is kept":                    "the entry is the caller's again when Append returns",
	"longer entries are taken":                      "an entry as long as Limit is kept, a longer one is ErrTooLarge and is not kept",
	"an entry as long as Limit is refused":          "an entry as long as Limit is kept, a longer one is ErrTooLarge and is not kept",
	"an entry that is refused is kept":              "an entry as long as Limit is kept, a longer one is ErrTooLarge and is not kept",
	"an error of Entry is ignored":                  "an error of Entry ends Follow with it",
	"an error of Entry is ignored while reading":    "an error of Entry ends Follow with it while the journal is read",
	"an error of Piece is ignored":                  "an error of Piece ends Follow with it",
	"Follow goes on after ctx":                      "the end of ctx ends Follow promptly with its error; then nothing is delivered or taken",
	"Follow returns nil":                            "the end of ctx ends Follow promptly with its error; then nothing is delivered or taken",
	"entries are taken after the end":               "the end of ctx ends Follow promptly with its error; then nothing is delivered or taken",
	"Replay is called after the end":                "the end of ctx ends Follow promptly with its error; then nothing is delivered or taken",
	"ctx is ignored while reading":                  "the end of ctx ends Follow also while the journal is read",
	"the last entry is lost":                        "what was kept is given again in order, then CaughtUp, once",
	"everything is lost":                            "what was kept is given again in order, then CaughtUp, once",
	"CaughtUp comes before what was kept":           "what was kept is given again in order, then CaughtUp, once",
	"entries come before pieces":                    "a snapshot stands for all entries up to its number: its pieces come in order, then later entries",
	"pieces come in reverse":                        "a snapshot stands for all entries up to its number: its pieces come in order, then later entries",
	"entries that a snapshot stands for come again": "a snapshot stands for all entries up to its number: its pieces come in order, then later entries",
	"later entries go with a snapshot":              "a snapshot stands for all entries up to its number: its pieces come in order, then later entries",
	"pieces have another number":                    "a snapshot stands for all entries up to its number: its pieces come in order, then later entries",
	"a snapshot without pieces is ignored":          "a snapshot may have no piece",
	"pieces of the snapshot before remain":          "a newer snapshot replaces the one before whole",
	"an older snapshot replaces a newer one":        "a snapshot that is not newer changes nothing and is no error",
	"an older snapshot is an error":                 "a snapshot that is not newer changes nothing and is no error",
	"half a snapshot is taken":                      "an error of next ends Snapshot with it, and leaves the one before",
	"an error of next is ignored":                   "an error of next ends Snapshot with it, and leaves the one before",
	"Snapshot ignores ctx":                          "the end of ctx ends Snapshot, and leaves the one before",
	"pieces of an interrupted snapshot remain":      "nothing of an interrupted snapshot is in a later one",
	"the caller's piece is kept":                    "a piece is the journal's only until next is called again",
	"longer pieces are taken":                       "a piece as long as Limit is kept, a longer one is ErrTooLarge and leaves the snapshot before",
	"Append waits for a snapshot":                   "entries that are appended during a snapshot are delivered and kept",
	"a snapshot removes what comes meanwhile":       "entries that are appended during a snapshot are delivered and kept",
	"numbers are given again":                       "a number is never given again, not even after all entries were replaced by a snapshot",
	"others' entries are not delivered":             "all who share a journal get all entries in one order",
	"own entries come first":                        "all who share a journal get all entries in one order",
	"a snapshot resets others":                      "a snapshot of one does not disturb another one who follows",
}

func stageWith(t testing.TB, fault journalFault) JournalStage {
	store := &plantedStore{fault: fault, followers: map[*planted]bool{}, released: make(chan struct{})}
	releases.Add(1)
	t.Cleanup(func() {
		time.AfterFunc(time.Second, func() {
			close(store.released)
			releases.Done()
		})
	})
	return JournalStage{Survives: true, Shared: true, Open: func(testing.TB) ports.Journal { return &planted{plantedStore: store} }}
}
