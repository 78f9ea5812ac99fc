package main

import (
	"math"
	"strings"
)

// measures are the changes to today's design that docs/scale.md proposes.
type measures struct{ coalesced, sharded, watching bool }

// chosenWindow is what is proposed for coalescing.
const chosenWindow = 3 * minute

// site is what a site needs in the busiest minute.
type site struct {
	records  float64 // a second, into all journals
	journals int
	fullest  float64 // records a second into the fullest journal
	nodes    int
	held     float64 // the part of all users whom the fullest node holds
	users    float64
}

func (s *site) memory() float64 { return s.users * s.held * memoryUser }
func (s *site) start() float64  { return s.users * s.held * loadUser }
func (s *site) core() float64   { return s.records * s.held * applyRecord }
func (s *site) bytes() float64  { return s.records * s.held * recordBytes }

// beyond names what is beyond the plan, and what more nodes would not help.
func (s *site) beyond() string {
	var all []string
	if s.fullest > journalMost*planUse {
		all = append(all, "journal")
	}
	if s.memory() > nodeMemory {
		all = append(all, "memory")
	}
	if s.core() > nodeCores {
		all = append(all, "cores")
	}
	if all == nil {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

// plan finds the fewest journals and nodes that keep to the plan of costs.go, if any number does.
func plan(d *day, sizes []int, m measures) *site {
	s := &site{journals: 1, held: 1}
	for _, size := range sizes {
		s.users += float64(size)
	}
	window := 0.0
	if m.coalesced {
		window = chosenWindow
	}
	s.records = s.users * d.records(coalescing{window})
	http := s.users * (d.updates()/updatesMost + viewing/askEvery*(1/answersMost+mean(draws)/listedMost)) // nodes that do nothing else
	s.nodes = max(homes, int(math.Ceil(http/planUse)))
	for m.watching {
		s.held = held(sizes, s.nodes, home, unevenness(spread(sizes, s.nodes, largest)))
		if s.memory() <= nodeMemory && s.core() <= nodeCores {
			s.journals = s.nodes // at least, for a node follows whole journals
			break
		}
		s.nodes++
	}
	s.fullest = s.records * unevenness(spread(sizes, s.journals, largest)) / float64(s.journals)
	for m.sharded && s.fullest > journalMost*planUse {
		s.journals++
		s.fullest = s.records * unevenness(spread(sizes, s.journals, largest)) / float64(s.journals)
	}
	return s
}

// largest is larger than any organisation: none is cut into pieces.
const largest = int(sizeMax)
