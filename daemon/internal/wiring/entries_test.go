package wiring

import (
	"fmt"
	"strings"
	"testing"
)

// TestStatusEntries: every fault is named, with the entry's number.
func TestStatusEntries(t *testing.T) {
	g := General{StatusEntries: []StatusEntry{
		{Label: "Lunch", Status: "away", Activity: "meal"},
		{Status: "lunch", Activity: "eating", For: -1},
		{Label: "Lunch", Status: "busy"},
	}}
	_, err := g.statusEntries()
	for _, want := range []string{
		"status_entries: entry 2: label: must be a line of at most 40 characters",
		`status_entries: entry 2: status: unknown status "lunch"`,
		`status_entries: entry 2: activity: unknown activity "eating"`,
		"status_entries: entry 2: for: must be from 1s",
		"status_entries: entry 3 (Lunch): label: it is there twice",
	} {
		if err == nil || strings.Count("\n"+err.Error(), "\n"+want) != 1 {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if err != nil && strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("more faults:\n%v", err)
	}
	var many General
	for i := range maxEntries + 1 {
		many.StatusEntries = append(many.StatusEntries, StatusEntry{Label: fmt.Sprint(i), Status: "busy"})
	}
	if _, err := many.statusEntries(); err == nil || err.Error() != "status_entries: at most 50 are allowed; there are 51" {
		t.Errorf("%v", err)
	}
	many.StatusEntries = many.StatusEntries[1:]
	if entries, err := many.statusEntries(); err != nil || len(entries) != maxEntries {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}
