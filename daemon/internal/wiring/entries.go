package wiring

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/setting"
)

// StatusEntry is an entry of the key status_entries.
type StatusEntry struct {
	Label    string        `koanf:"label" help:"what people read, and the message of who picks it"`
	Status   string        `koanf:"status" help:"the status" choice:"available,busy,away,unavailable"`
	Activity string        `koanf:"activity" help:"a word of RFC 4480 such as meal; empty: none"`
	For      time.Duration `koanf:"for" help:"how long it holds; 0s: until it is changed"`
}

// maxEntries is how many entries there may be: people pick one of them with a glance.
const maxEntries = 50

// statusEntries reads the entries. The error has a line for each fault.
func (g General) statusEntries() (all []domain.StatusEntry, _ error) {
	var faults []error
	if len(g.StatusEntries) > maxEntries {
		faults = append(faults, fmt.Errorf("status_entries: at most %d are allowed; there are %d", maxEntries, len(g.StatusEntries)))
	}
	for i, e := range g.StatusEntries {
		place := setting.Entry("status_entries", i, e.Label)
		entry, err := domain.NewStatusEntry(e.Label, e.Status, e.Activity, e.For)
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				faults = append(faults, fmt.Errorf("%s: %s", place, line))
			}
		}
		if err == nil && slices.ContainsFunc(all, func(before domain.StatusEntry) bool { return before.Label == entry.Label }) {
			faults = append(faults, fmt.Errorf("%s: label: it is there twice", place))
		}
		all = append(all, entry)
	}
	return all, errors.Join(faults...)
}
