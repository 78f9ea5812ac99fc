package main

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// hour is how long an hour of the scenario takes.
	hour = 15 * time.Second

	// The day begins at nine and ends nine hours later.
	dayBegins, dayHours = 9, 9

	// The shortest and the longest time between two steps.
	shortest, longest = 600 * time.Millisecond, 1600 * time.Millisecond
)

// step is a person starting an activity.
type step struct {
	after    time.Duration // since the previous step
	person   person
	activity *activity
	abrupt   bool // clients that end do so without saying it: a closed lid, a closed page
}

// scenario is an endless sequence of steps: office days in fast motion. The same seed makes the same sequence. It is for one goroutine.
type scenario struct {
	random  *rand.Rand
	opening []step
	elapsed time.Duration
	doing   map[string]*activity // by name; a person who is missing has not started yet
	recent  []string             // the people of the last steps
}

func newScenario(seed uint64) *scenario {
	return &scenario{random: rand.New(rand.NewPCG(seed, 0)), opening: opening(), doing: map[string]*activity{}}
}

// opening returns the first steps of every scenario. Within a dozen seconds they bring every status and every protocol to the board.
func opening() []step {
	const pause = 1100 * time.Millisecond
	begin := []*activity{desk, talk, coffee, call, focus, guest, open, train, listen, desk}
	steps := make([]step, len(begin))
	for i, activity := range begin {
		steps[i] = step{after: pause, person: people[i], activity: activity}
	}
	return append(steps, step{after: pause, person: people[0], activity: home, abrupt: true})
}

// next returns the next step.
func (s *scenario) next() step {
	var n step
	if len(s.opening) > 0 {
		n, s.opening = s.opening[0], s.opening[1:]
	} else {
		n = s.randomStep()
	}
	s.elapsed += n.after
	s.doing[n.person.name] = n.activity
	s.recent = append(s.recent, n.person.name)
	if len(s.recent) > 3 {
		s.recent = s.recent[1:]
	}
	return n
}

func (s *scenario) randomStep() step {
	n := step{after: shortest + time.Duration(s.random.Int64N(int64(longest-shortest))), abrupt: s.random.IntN(3) == 0}
	for {
		n.person = people[s.random.IntN(len(people))]
		if !slices.Contains(s.recent, n.person.name) {
			break
		}
	}
	n.activity = s.choose(n.person)
	return n
}

// choose draws another activity for a person, weighted by the part of the day.
func (s *scenario) choose(p person) *activity {
	part, total := s.part(), 0
	var possible []*activity
	for _, a := range activities {
		if a.suits(p) && a != s.doing[p.name] && a.weights[part] > 0 {
			possible = append(possible, a)
			total += a.weights[part]
		}
	}
	drawn := s.random.IntN(total)
	for _, a := range possible {
		if drawn -= a.weights[part]; drawn < 0 {
			return a
		}
	}
	return home // not reached: drawn is less than the total
}

// now returns the scenario's time of day, since midnight.
func (s *scenario) now() time.Duration {
	day := s.elapsed % (dayHours * hour)
	return dayBegins*time.Hour + time.Duration(float64(day)/float64(hour)*float64(time.Hour))
}

func (s *scenario) part() int {
	switch now := s.now(); {
	case now < 12*time.Hour:
		return morning
	case now < 13*time.Hour+30*time.Minute:
		return noon
	case now < 17*time.Hour:
		return afternoon
	default:
		return evening
	}
}
