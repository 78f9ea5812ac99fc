package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

// pause is the time before each step.
const pause = 1100 * time.Millisecond

// step is a person starting an activity.
type step struct {
	person   person
	activity *activity
	abrupt   bool // clients that end do so without saying it: a closed lid, a closed page
}

// scenario is an endless sequence of steps. The same seed makes the same sequence. It is for one goroutine.
type scenario struct {
	random  *rand.Rand
	opening []step
	doing   map[string]*activity // by name; a person who is missing has not started yet
	recent  []string             // the people of the last steps
}

// newScenario begins with steps that bring every status and every protocol to the board within a dozen seconds.
func newScenario(seed uint64) *scenario {
	s := &scenario{random: rand.New(rand.NewPCG(seed, 0)), doing: map[string]*activity{}}
	for i, activity := range []*activity{desk, talk, coffee, call, focus, guest, open, train, listen, desk} {
		s.opening = append(s.opening, step{person: people[i], activity: activity})
	}
	s.opening = append(s.opening, step{person: people[0], activity: home, abrupt: true})
	return s
}

// next returns the next step: somebody who has not just done something starts something else.
func (s *scenario) next() step {
	var n step
	if len(s.opening) > 0 {
		n, s.opening = s.opening[0], s.opening[1:]
	} else {
		for n.activity == nil || !n.activity.suits(n.person) || n.activity == s.doing[n.person.name] || slices.Contains(s.recent, n.person.name) {
			n = step{people[s.random.IntN(len(people))], activities[s.random.IntN(len(activities))], s.random.IntN(3) == 0}
		}
	}
	s.doing[n.person.name] = n.activity
	s.recent = append(s.recent, n.person.name)
	s.recent = s.recent[max(0, len(s.recent)-3):]
	return n
}
